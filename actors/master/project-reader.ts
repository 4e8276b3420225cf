/**
 * Reads one project that may have changed: its page and its description as upstream has them now, into the
 * database; or puts it off. Cloud Gazer calls it, decides how many at once, and when to leave upstream
 * alone for a while.
 */
import type { UnreadProject } from "../../db/following.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import { type UpstreamClient, UpstreamError } from "../../protocol/upstream/index.ts";
import { AskError, Refusal } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { Follower, FollowerContext } from "./follower.ts";
import { projectReleases } from "./project-releases.ts";
import { upstreamListing } from "./upstream-listing.ts";

interface ReaderArgs {
  readonly database: DatabaseRef;
  readonly upstream: UpstreamClient;
  /** Whether upstream's own files are listed too. */
  readonly mergeUpstream: boolean;
  readonly pollMs: number;
  readonly backoffMaxMs: number;
}

/** A page older than its event (a cache) or a 404 is asked for again this often before it is believed. */
const PATIENT_ATTEMPTS = 4;
const MAX_SUMMARY_LENGTH = 1_000;

/** The asking actor ends. */
export const isAborted = (error: unknown): boolean =>
  error instanceof AskError && error.code === "aborted";

/** How long upstream wants to be left alone; 0 where it does not say. */
export const retryAfterMs = (error: unknown): number =>
  error instanceof UpstreamError ? (error.retryAfterMs ?? 0) : 0;

/** No answer, or a refusal to answer so often. */
const isAway = (error: UpstreamError): boolean =>
  error.code === "unreachable" || error.code === "busy";

/** `doubtful`: a page older than its event, or none; it is asked for again before it is believed. */
type Outcome = "recorded" | "unchanged" | "doubtful";

/**
 * Records what a project is now, or puts it off. Returns what came of it, or why upstream did not answer for it.
 *
 * @throws AskError `aborted`; what is no error of upstream's or the database's
 */
export async function readProject(
  ctx: FollowerContext,
  args: ReaderArgs,
  unread: UnreadProject,
  follower: Follower,
): Promise<Outcome | "put off" | UpstreamError> {
  const { database, pollMs, backoffMaxMs } = args;
  const delayMs = Math.min(backoffMaxMs, pollMs * 2 ** unread.attempts);
  const { name } = unread;
  try {
    const outcome = await takeUp(ctx, args, unread, follower);
    if (outcome === "doubtful")
      await askUntilDone(ctx, database, "postponeProject", { name, delayMs, isCounted: true });
    return outcome;
  } catch (error) {
    if (isAborted(error) || ctx.signal.aborted) throw error;
    if (!(error instanceof UpstreamError || error instanceof Refusal)) throw error;
    if (error instanceof UpstreamError && isAway(error)) {
      // That nothing was heard says nothing about the project. Not at once: it may be this page alone.
      const patienceMs = Math.max(delayMs, retryAfterMs(error), backoffMaxMs / 10);
      await askUntilDone(ctx, database, "postponeProject", {
        name,
        delayMs: patienceMs,
        isCounted: false,
      });
      return error;
    }
    // What makes no sense concerns this project only.
    ctx.log.warn({ package: name, reason: error.message }, "project cannot be read now");
    await askUntilDone(ctx, database, "postponeProject", { name, delayMs, isCounted: true });
    return "put off";
  }
}

async function takeUp(
  ctx: FollowerContext,
  { database, upstream, mergeUpstream, backoffMaxMs }: ReaderArgs,
  unread: UnreadProject,
  { highestSerial, lookAgainMs }: Follower,
): Promise<Outcome> {
  const { name, seenSerial, page } = unread;
  const isPatient = unread.attempts < PATIENT_ATTEMPTS;
  const describe = () => findDescription(ctx, upstream, name);
  // Both at once, but where nothing says that there is anything new.
  const [read, soon] = await Promise.allSettled([
    page === null
      ? upstream.project(name, ctx.signal)
      : upstream.project(name, ctx.signal, { etag: page.etag, modified: page.modified }),
    unread.isLook ? undefined : describe(),
  ]);
  if (read.status === "rejected") throw read.reason;
  const project = read.value;
  if (project === undefined) {
    if ((seenSerial > 0 || unread.isKnown) && isPatient) return "doubtful";
    const restMs = lookAgainMs ?? backoffMaxMs;
    await askUntilDone(ctx, database, "recordRemoval", { name, serial: seenSerial, restMs });
    return "recorded";
  }
  const pageSerial = project === "unchanged" ? (page?.serial ?? null) : project.lastSerial;
  if (pageSerial !== null && pageSerial < seenSerial && isPatient) return "doubtful";
  if (project === "unchanged") {
    const again = { name, serial: seenSerial, lookAgainMs };
    await askUntilDone(ctx, database, "recordUnchanged", again);
    return "unchanged";
  }
  if (soon.status === "rejected") throw soon.reason;
  const description = unread.isLook ? await describe() : soon.value;
  const { releases, refused } = projectReleases(project);
  if (refused.length > 0)
    ctx.log.warn(
      { package: name, version: refused[0], count: refused.length },
      "versions with over-long names are refused",
    );
  await askUntilDone(ctx, database, "recordProject", {
    name,
    displayName: displayName(name, [description?.name, project.name]),
    summary: cut(description?.summary ?? ""),
    // A serial that the changelog has not come to yet may be anything; its event is still to come.
    serial: Math.max(seenSerial, Math.min(project.lastSerial ?? 0, highestSerial)),
    releases,
    page: { ...project.validators, serial: project.lastSerial, lookAgainMs },
    standing: {
      status: project.status,
      tracks: project.tracks,
      alternateLocations: project.alternateLocations,
      files: mergeUpstream ? upstreamListing(project) : null,
    },
  });
  return "recorded";
}

/**
 * The first spelling that is one of this project's name: the JSON API says whatever it was told, and PyPI's
 * pages the canonical one, which is no news.
 */
const displayName = (name: string, [described, onPage]: readonly (string | undefined)[]) => {
  const isSpelling = (text: string | undefined): text is string =>
    text !== undefined && isValidName(text) && canonicalName(text) === name;
  if (isSpelling(described)) return described;
  return isSpelling(onPage) && onPage !== name ? onPage : null;
};

/** Not within a character of two code units. */
const cut = (summary: string): string =>
  summary.slice(0, MAX_SUMMARY_LENGTH).replace(/[\uD800-\uDBFF]$/, "");

/** An index may have no JSON API, or not let us use it: then a project has no description. */
async function findDescription(ctx: FollowerContext, upstream: UpstreamClient, name: string) {
  try {
    return await upstream.description(name, ctx.signal);
  } catch (error) {
    if (!(error instanceof UpstreamError) || isAway(error)) throw error;
    ctx.log.debug({ package: name, reason: error.message }, "no description can be had");
    return undefined;
  }
}
