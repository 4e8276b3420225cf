/**
 * Cloud Gazer: follows the upstream index. Each pass takes up what the changelog says has changed (one
 * transaction with its serial), then reads the projects that changed and records what they are now.
 * The state of a project is read whole, so that no event can be lost, repeated or taken out of order.
 * Upstream away, or asking for less, is a state with growing, jittered pauses.
 */
import type { UnreadProject } from "../../db/upstream.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import { type UpstreamClient, UpstreamError } from "../../protocol/upstream/index.ts";
import { type ActorContext, AskError, defineActor, Refusal } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import { projectReleases } from "./project-releases.ts";

export interface CloudGazerMessages {
  PASS(): void;
  /** Look now: the wanted set has changed. */
  LOOK(): void;
  /** Whether the last pass reached the end of the changelog. */
  CAUGHT_UP(): boolean;
}

export interface CloudGazerArgs {
  readonly database: DatabaseRef;
  readonly upstream: UpstreamClient;
  readonly follow: "all" | "wanted";
  readonly order: "newest" | "oldest";
  readonly pollMs: number;
  readonly backoffMaxMs: number;
}

interface State {
  readonly args: CloudGazerArgs;
  isConfigured: boolean;
  isCaughtUp: boolean;
  isPassQueued: boolean;
  /** Passes in a row that upstream refused. */
  failures: number;
}

type Context = ActorContext<CloudGazerMessages>;

/** Projects read at once; PyPI asks for no more than a handful of connections. */
const CONCURRENCY = 8;
/** Projects a pass: bounds the time until the changelog is looked at again. */
const PROJECTS_A_PASS = 200;
const LISTING_CHUNK = 5_000;
/** A page older than its event (a cache) or a 404 is asked for again this often before it is believed. */
const PATIENT_ATTEMPTS = 4;

export const cloudGazer = defineActor<CloudGazerMessages, CloudGazerArgs, State>({
  name: "follows the upstream index",
  pause: "park",
  // A first load of everything takes hours, and waits for a database that is away.
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("PASS");
    return { args, isConfigured: false, isCaughtUp: false, isPassQueued: true, failures: 0 };
  },
  handle: {
    async PASS(state, _body, ctx) {
      state.isPassQueued = false;
      let pauseMs = state.args.pollMs;
      try {
        const isMore = await pass(state, ctx);
        state.failures = 0;
        ctx.healthy();
        if (isMore) pauseMs = 0;
      } catch (error) {
        if (error instanceof AskError && error.code === "aborted") return;
        if (!(error instanceof UpstreamError)) throw error;
        state.failures += 1;
        state.isCaughtUp = false;
        ctx.degraded(`upstream: ${error.message}`);
        ctx.log.warn({ code: error.code, reason: error.message }, "upstream cannot be read now");
        const growing = state.args.pollMs * 2 ** Math.min(state.failures, 12);
        pauseMs = Math.max(
          error.retryAfterMs ?? 0,
          Math.min(state.args.backoffMaxMs, growing) * (0.5 + Math.random() / 2),
        );
      }
      if (pauseMs > 0) ctx.after(pauseMs, "LOOK");
      else queuePass(state, ctx);
    },
    LOOK: (state, _body, ctx) => queuePass(state, ctx),
    CAUGHT_UP: (state) => state.isCaughtUp,
  },
});

function queuePass(state: State, ctx: Context): void {
  if (state.isPassQueued) return;
  state.isPassQueued = true;
  ctx.self.tell("PASS");
}

/** Returns whether there is more to do at once. */
async function pass(state: State, ctx: Context): Promise<boolean> {
  const { database, follow, order } = state.args;
  if (!state.isConfigured) {
    await askUntilDone(ctx, database, "configureFarm", { follow, order });
    state.isConfigured = true;
  }
  const isLogMore = await followChangelog(state, ctx);
  state.isCaughtUp = !isLogMore;
  const read = await readProjects(state, ctx);
  return isLogMore || read === PROJECTS_A_PASS;
}

/** Takes up one stretch of the changelog. Returns whether there may be more. */
async function followChangelog(state: State, ctx: Context): Promise<boolean> {
  const { database, upstream } = state.args;
  const serial = await askUntilDone(ctx, database, "upstreamSerial", null);
  if (serial === 0) {
    await loadAll(state, ctx);
    return true;
  }
  const events = await upstream.changelogSinceSerial(serial, ctx.signal);
  if (events.length === 0) return false;
  const projects = new Map<string, { name: string; spelling: string; serial: number }>();
  let to = serial;
  for (const event of events) {
    to = Math.max(to, event.serial);
    note(projects, ctx, event.name, event.serial);
  }
  await askUntilDone(ctx, database, "recordChanges", {
    from: serial,
    to,
    projects: [...projects.values()],
  });
  ctx.log.debug({ from: serial, to, projects: projects.size }, "changelog taken up");
  return to > serial;
}

/**
 * The first load: the listing of all projects instead of the years of log before. The serial is asked
 * for first, so that what changes meanwhile is read again.
 */
async function loadAll(state: State, ctx: Context): Promise<void> {
  const { database, upstream, follow } = state.args;
  const to = Math.max(1, await upstream.changelogLastSerial(ctx.signal));
  if (follow === "all") {
    let chunk = new Map<string, { name: string; spelling: string; serial: number }>();
    let count = 0;
    const flush = async () => {
      await askUntilDone(ctx, database, "recordListing", { projects: [...chunk.values()] });
      chunk = new Map();
    };
    for await (const project of upstream.listProjects(ctx.signal)) {
      note(chunk, ctx, project.name, project.lastSerial ?? to);
      count += 1;
      if (chunk.size >= LISTING_CHUNK) await flush();
    }
    if (chunk.size > 0) await flush();
    ctx.log.info({ projects: count, serial: to }, "the upstream listing was taken up");
  }
  await askUntilDone(ctx, database, "recordChanges", { from: 0, to, projects: [] });
}

/** The latest serial and spelling of a project; a name that no index can have is refused. */
function note(
  projects: Map<string, { name: string; spelling: string; serial: number }>,
  ctx: Context,
  spelling: string,
  serial: number,
): void {
  if (!isValidName(spelling)) {
    ctx.log.warn({ package: spelling.slice(0, 80) }, "upstream names a project that cannot be");
    return;
  }
  const name = canonicalName(spelling);
  const known = projects.get(name);
  if (known === undefined || known.serial <= serial) projects.set(name, { name, spelling, serial });
}

/** Reads projects that changed, several at once. Returns how many. */
async function readProjects(state: State, ctx: Context): Promise<number> {
  const projects = await askUntilDone(ctx, state.args.database, "unreadProjects", {
    limit: PROJECTS_A_PASS,
  });
  const queue = [...projects];
  const failed: unknown[] = [];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (ctx.signal.aborted || failed.length > 0) return;
      try {
        await readProject(state, ctx, next);
      } catch (error) {
        failed.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  if (failed.length > 0) throw failed[0];
  return projects.length;
}

async function readProject(state: State, ctx: Context, unread: UnreadProject): Promise<void> {
  const { database, upstream } = state.args;
  const postpone = () =>
    askUntilDone(ctx, database, "postponeProject", {
      name: unread.name,
      delayMs: Math.min(state.args.backoffMaxMs, state.args.pollMs * 2 ** unread.attempts),
    });
  try {
    const project = await upstream.project(unread.name, ctx.signal);
    const isPatient = unread.attempts < PATIENT_ATTEMPTS;
    if (project === undefined) {
      if (unread.seenSerial > 0 && isPatient) await postpone();
      else
        await askUntilDone(ctx, database, "recordRemoval", {
          name: unread.name,
          serial: unread.seenSerial,
        });
      return;
    }
    if (project.lastSerial !== null && project.lastSerial < unread.seenSerial && isPatient) {
      await postpone();
      return;
    }
    const { releases, refused } = projectReleases(project);
    for (const version of refused)
      ctx.log.warn(
        { package: unread.name, version },
        "a version with an over-long name is refused",
      );
    const description = await findDescription(state, ctx, unread.name);
    await askUntilDone(ctx, database, "recordProject", {
      name: unread.name,
      displayName: description?.name || project.name,
      summary: description?.summary ?? "",
      serial: Math.max(unread.seenSerial, project.lastSerial ?? 0),
      releases,
    });
  } catch (error) {
    // What makes no sense concerns this project; upstream being away concerns all.
    const isProjects =
      error instanceof Refusal ||
      (error instanceof UpstreamError && error.code !== "unreachable" && error.code !== "busy");
    if (!isProjects) throw error;
    ctx.log.warn({ package: unread.name, reason: error.message }, "project cannot be read now");
    await postpone();
  }
}

/** An index may have no JSON API, or not let us use it: then a project has no description. */
async function findDescription(state: State, ctx: Context, name: string) {
  try {
    return await state.args.upstream.description(name, ctx.signal);
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    if (error.code === "unreachable" || error.code === "busy") throw error;
    ctx.log.debug({ package: name, reason: error.message }, "no description can be had");
    return undefined;
  }
}
