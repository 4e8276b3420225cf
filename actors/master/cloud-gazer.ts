/**
 * Cloud Gazer: follows the upstream index. Each pass takes up what the changelog says has changed (one
 * transaction with its serial), then reads the projects that changed and records what they are now.
 * The state of a project is read whole, so that no event can be lost, repeated or taken out of order.
 * Upstream away, or asking for less, is a state with growing, jittered pauses; so is whatever else goes
 * wrong in a pass. One project that cannot be read is put off alone.
 */
import type { RequestArgs } from "../../db/requests.ts";
import type { ToCloudGazer } from "../../protocol/links/tasks/cloud-gazer.ts";
import type { ToControl } from "../../protocol/links/tasks/control.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import {
  type ChangelogEvent,
  type UpstreamClient,
  UpstreamError,
} from "../../protocol/upstream/index.ts";
import { type ActorContext, type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import { isAborted, readProject, retryAfterMs } from "./project-reader.ts";

export interface CloudGazerMessages extends ToCloudGazer {
  PASS(): void;
}

export interface CloudGazerArgs {
  readonly database: DatabaseRef;
  readonly upstream: UpstreamClient;
  readonly follow: "all" | "wanted";
  readonly order: RequestArgs<"configureFarm">["order"];
  readonly upstreamWheels: RequestArgs<"configureFarm">["upstreamWheels"];
  /** Is told after each pass whether it reached the end of the changelog. */
  readonly control: ActorRef<ToControl>;
  readonly pollMs: number;
  readonly backoffMaxMs: number;
}

interface State {
  readonly args: CloudGazerArgs;
  isConfigured: boolean;
  isCaughtUp: boolean;
  isPassQueued: boolean;
  /** Passes in a row that failed. */
  failures: number;
  /** The latest serial that the changelog has shown. */
  highestSerial: number;
  /** Questions for changes in a row that had nothing for an answer. */
  emptyAnswers: number;
  /** Looks in a row at which upstream was behind what it had shown before. */
  timesBehind: number;
  /** The last serial that was refused, so that it is logged once. */
  refusedSerial: number;
}

type Context = ActorContext<CloudGazerMessages>;

/** Projects read at once; PyPI asks for no more than a handful of connections. */
const CONCURRENCY = 8;
/** Projects a pass: bounds the time until the changelog is looked at again. */
const PROJECTS_A_PASS = 200;
const LISTING_CHUNK = 5_000;
/** Projects in a row that upstream does not answer for: then it is upstream that is away. */
const UNREACHABLE_IN_A_ROW = 5;
/** At every so manieth empty answer upstream's last serial is compared: it may have been set back. */
const ANSWERS_PER_LOOK = 20;
/** A cache may be behind for a moment; only what is seen so often in a row is believed. */
const BEHIND_BEFORE_RESET = 3;
/** A serial further ahead than this is an error of upstream's: to follow it would be to skip all before it. */
const MAX_SERIAL_STEP = 1_000_000_000;

export const cloudGazer = defineActor<CloudGazerMessages, CloudGazerArgs, State>({
  name: "follows the upstream index",
  pause: "park",
  // A first load of everything takes hours, and waits for a database that is away.
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("PASS");
    return {
      args,
      isConfigured: false,
      isCaughtUp: false,
      isPassQueued: true,
      failures: 0,
      highestSerial: 0,
      emptyAnswers: 0,
      timesBehind: 0,
      refusedSerial: 0,
    };
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
        if (isAborted(error) || ctx.signal.aborted) return;
        state.failures += 1;
        state.isCaughtUp = false;
        pauseMs = retryAfterMs(error);
        if (error instanceof UpstreamError) {
          ctx.degraded(`upstream: ${error.message}`);
          ctx.log.warn({ code: error.code, reason: error.message }, "upstream cannot be read now");
        } else {
          ctx.degraded(toError(error).message);
          ctx.log.error({ err: error }, "a pass over upstream failed; it is tried again");
        }
        const growing = state.args.pollMs * 2 ** Math.min(state.failures, 12);
        pauseMs = Math.max(
          pauseMs,
          Math.min(state.args.backoffMaxMs, growing) * (0.5 + Math.random() / 2),
        );
      }
      state.args.control.tell("FOLLOWING", { isCaughtUp: state.isCaughtUp });
      if (pauseMs > 0) ctx.after(pauseMs, "LOOK");
      else queuePass(state, ctx);
    },
    LOOK: (state, _body, ctx) => queuePass(state, ctx),
  },
});

function queuePass(state: State, ctx: Context): void {
  if (state.isPassQueued) return;
  state.isPassQueued = true;
  ctx.self.tell("PASS");
}

/** Returns whether there is more to do at once. */
async function pass(state: State, ctx: Context): Promise<boolean> {
  const { database, follow, order, upstreamWheels } = state.args;
  if (!state.isConfigured) {
    await askUntilDone(ctx, database, "configureFarm", { follow, order, upstreamWheels });
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
  state.highestSerial = Math.max(state.highestSerial, serial);
  const answer = await upstream.changelogSinceSerial(serial, ctx.signal);
  const events = plausible(state, ctx, answer, serial);
  if (events.length === 0) {
    state.emptyAnswers += 1;
    return findSetBack(state, ctx, serial);
  }
  state.emptyAnswers = 0;
  state.timesBehind = 0;
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
  state.highestSerial = to;
  ctx.log.debug({ from: serial, to, projects: projects.size }, "changelog taken up");
  return to > serial;
}

/** Without events whose serials cannot be. */
function plausible(
  state: State,
  ctx: Context,
  events: readonly ChangelogEvent[],
  serial: number,
): readonly ChangelogEvent[] {
  const limit = serial + MAX_SERIAL_STEP;
  const refused = events.find((event) => event.serial > limit);
  if (refused === undefined) return events;
  if (refused.serial !== state.refusedSerial)
    ctx.log.warn(
      { code: "garbled", package: refused.name.slice(0, 80), serial: refused.serial, at: serial },
      "upstream tells of a change with a serial that cannot be; it is passed over",
    );
  state.refusedSerial = refused.serial;
  return events.filter((event) => event.serial <= limit);
}

/**
 * Nothing new for long may mean that upstream's serials were set back (restored from a backup): then
 * what changes until they pass ours would never be heard of. Returns whether all is to be listed anew.
 */
async function findSetBack(state: State, ctx: Context, serial: number): Promise<boolean> {
  const { database, upstream } = state.args;
  if (state.timesBehind === 0 && state.emptyAnswers % ANSWERS_PER_LOOK !== 0) return false;
  const last = await upstream.changelogLastSerial(ctx.signal);
  state.timesBehind = last < serial ? state.timesBehind + 1 : 0;
  if (state.timesBehind < BEHIND_BEFORE_RESET) return false;
  ctx.log.warn(
    { ours: serial, upstream: last },
    "upstream's serials went back: all is listed anew",
  );
  await askUntilDone(ctx, database, "resetSerial", null);
  state.timesBehind = 0;
  state.highestSerial = 0;
  return true;
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
      note(chunk, ctx, project.name, Math.min(project.lastSerial ?? to, to));
      count += 1;
      if (chunk.size >= LISTING_CHUNK) await flush();
    }
    if (chunk.size > 0) await flush();
    ctx.log.info({ projects: count, serial: to }, "the upstream listing was taken up");
  }
  await askUntilDone(ctx, database, "recordChanges", { from: 0, to, projects: [] });
  state.highestSerial = to;
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

/**
 * Reads projects that changed, several at once. Returns how many there were.
 * @throws UpstreamError where upstream answers for none of several in a row
 */
async function readProjects(state: State, ctx: Context): Promise<number> {
  const projects = await askUntilDone(ctx, state.args.database, "unreadProjects", {
    limit: PROJECTS_A_PASS,
  });
  const queue = [...projects];
  const failed: unknown[] = [];
  let unanswered = 0;
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (ctx.signal.aborted || failed.length > 0) return;
      try {
        const away = await readProject(ctx, state.args, next, state.highestSerial);
        unanswered = away === undefined ? 0 : unanswered + 1;
        if (away !== undefined && unanswered >= UNREACHABLE_IN_A_ROW) failed.push(away);
      } catch (error) {
        failed.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  if (failed.length > 0) throw failed[0];
  return projects.length;
}
