/**
 * Reads one project that changed: its page and its description as upstream has them now, into the
 * database; or puts it off. Cloud Gazer calls it, decides how many at once, and when to leave upstream
 * alone for a while.
 */
import type { UnreadProject } from "../../db/upstream.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import { type UpstreamClient, UpstreamError } from "../../protocol/upstream/index.ts";
import { AskError, type Logger, Refusal } from "../../supervisor/index.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "./database.ts";
import { projectReleases } from "./project-releases.ts";

interface ReaderArgs {
  readonly database: DatabaseRef;
  readonly upstream: UpstreamClient;
  readonly pollMs: number;
  readonly backoffMaxMs: number;
}

/** What it needs of the actor that it works for. */
interface ReaderContext extends Asker {
  readonly log: Logger;
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

/**
 * Records what a project is now, or puts it off. Returns why where upstream did not answer for it.
 *
 * @param highestSerial the latest that the changelog has shown
 * @throws AskError `aborted`; what is no error of upstream's or the database's
 */
export async function readProject(
  ctx: ReaderContext,
  args: ReaderArgs,
  unread: UnreadProject,
  highestSerial: number,
): Promise<UpstreamError | undefined> {
  const { database, pollMs, backoffMaxMs } = args;
  const delayMs = Math.min(backoffMaxMs, pollMs * 2 ** unread.attempts);
  const { name } = unread;
  try {
    const outcome = await takeUp(ctx, args, unread, highestSerial);
    if (outcome === "doubtful")
      await askUntilDone(ctx, database, "postponeProject", { name, delayMs, isCounted: true });
    return undefined;
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
    return undefined;
  }
}

/** `doubtful`: a page older than its event, or none; it is asked for again before it is believed. */
async function takeUp(
  ctx: ReaderContext,
  { database, upstream }: ReaderArgs,
  unread: UnreadProject,
  highestSerial: number,
): Promise<"recorded" | "doubtful"> {
  const { name, seenSerial } = unread;
  const isPatient = unread.attempts < PATIENT_ATTEMPTS;
  const [page, described] = await Promise.allSettled([
    upstream.project(name, ctx.signal),
    findDescription(ctx, upstream, name),
  ]);
  if (page.status === "rejected") throw page.reason;
  const project = page.value;
  if (project === undefined) {
    if (seenSerial > 0 && isPatient) return "doubtful";
    await askUntilDone(ctx, database, "recordRemoval", { name, serial: seenSerial });
    return "recorded";
  }
  if (project.lastSerial !== null && project.lastSerial < seenSerial && isPatient)
    return "doubtful";
  if (described.status === "rejected") throw described.reason;
  const description = described.value;
  const { releases, refused } = projectReleases(project);
  for (const version of refused)
    ctx.log.warn({ package: name, version }, "a version with an over-long name is refused");
  await askUntilDone(ctx, database, "recordProject", {
    name,
    displayName: displayName(name, [description?.name, project.name]),
    summary: cut(description?.summary ?? ""),
    // A serial that the changelog has not come to yet may be anything; its event is still to come.
    serial: Math.max(seenSerial, Math.min(project.lastSerial ?? 0, highestSerial)),
    releases,
  });
  return "recorded";
}

/** The first spelling that is one of this project's name: the JSON API says whatever it was told. */
const displayName = (name: string, spellings: readonly (string | undefined)[]): string =>
  spellings.find(
    (spelling) =>
      spelling !== undefined && isValidName(spelling) && canonicalName(spelling) === name,
  ) ?? name;

/** Not within a character of two code units. */
const cut = (summary: string): string =>
  summary.slice(0, MAX_SUMMARY_LENGTH).replace(/[\uD800-\uDBFF]$/, "");

/** An index may have no JSON API, or not let us use it: then a project has no description. */
async function findDescription(ctx: ReaderContext, upstream: UpstreamClient, name: string) {
  try {
    return await upstream.description(name, ctx.signal);
  } catch (error) {
    if (!(error instanceof UpstreamError) || isAway(error)) throw error;
    ctx.log.debug({ package: name, reason: error.message }, "no description can be had");
    return undefined;
  }
}
