/**
 * Cloud Gazer: follows the upstream index. Each pass notes which projects have changed (by a `Follower`),
 * then reads those projects and records what they are now.
 * The state of a project is read whole, so that no event can be lost, repeated or taken out of order.
 * Upstream away, or asking for less, is a state with growing, jittered pauses; so is whatever else goes
 * wrong in a pass. One project that cannot be read is put off alone.
 */
import type { RequestArgs } from "../../db/requests.ts";
import type { ToCloudGazer } from "../../protocol/links/tasks/cloud-gazer.ts";
import type { ToControl } from "../../protocol/links/tasks/control.ts";
import { UpstreamError } from "../../protocol/upstream/index.ts";
import { type ActorContext, type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import { chooseFollower } from "./choose-follower.ts";
import { askUntilDone } from "./database.ts";
import type { Follower, FollowerArgs } from "./follower.ts";
import { isAborted, readProject, retryAfterMs } from "./project-reader.ts";

export interface CloudGazerMessages extends ToCloudGazer {
  PASS(): void;
}

export interface CloudGazerArgs extends FollowerArgs {
  readonly order: RequestArgs<"configureFarm">["order"];
  readonly upstreamWheels: RequestArgs<"configureFarm">["upstreamWheels"];
  /** Whether pages of the index list upstream's own files too. */
  readonly mergeUpstream: boolean;
  /** Is told after each pass whether all changes have been noted. */
  readonly control: ActorRef<ToControl>;
  readonly pollMs: number;
  readonly backoffMaxMs: number;
}

interface State {
  readonly args: CloudGazerArgs;
  /** Undefined until the database and upstream have said which one. */
  follower: Follower | undefined;
  isCaughtUp: boolean;
  isPassQueued: boolean;
  /** Passes in a row that failed. */
  failures: number;
}

type Context = ActorContext<CloudGazerMessages>;

/** Projects read at once; PyPI asks for no more than a handful of connections. */
const CONCURRENCY = 8;
/** Projects a pass: bounds the time until the changelog is looked at again. */
const PROJECTS_A_PASS = 200;
/** Projects in a row that upstream does not answer for: then it is upstream that is away. */
const UNREACHABLE_IN_A_ROW = 5;
export const cloudGazer = defineActor<CloudGazerMessages, CloudGazerArgs, State>({
  name: "follows the upstream index",
  pause: "park",
  // A first load of everything takes hours, and waits for a database that is away.
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("PASS");
    return {
      args,
      follower: undefined,
      isCaughtUp: false,
      isPassQueued: true,
      failures: 0,
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
  const { database, follow, order, upstreamWheels, mergeUpstream } = state.args;
  if (state.follower === undefined) {
    const { isChanged } = await askUntilDone(ctx, database, "configureIndex", { mergeUpstream });
    if (isChanged && !mergeUpstream)
      ctx.log.info(
        "upstream's files are listed no more: piw-rebuild index takes them from the pages",
      );
    await askUntilDone(ctx, database, "configureFarm", { follow, order, upstreamWheels });
    state.follower = await chooseFollower(ctx, state.args);
  }
  const { follower } = state;
  const { meters } = state.args;
  const isMoreToNote = await follower.follow(ctx);
  state.isCaughtUp = !isMoreToNote;
  const isMoreToRead = await readProjects(state, ctx, follower);
  if (!isMoreToNote && !isMoreToRead) meters.caughtUp();
  return isMoreToNote || isMoreToRead;
}

/**
 * Reads projects that changed, several at once. Returns whether more of them wait; pages that are only looked
 * at do not count, so that upstream is asked for no more than a pass of them between two pauses.
 * @throws UpstreamError where upstream answers for none of several in a row
 */
async function readProjects(state: State, ctx: Context, follower: Follower): Promise<boolean> {
  const projects = await askUntilDone(ctx, state.args.database, "unreadProjects", {
    limit: PROJECTS_A_PASS,
  });
  const queue = [...projects];
  const failed: unknown[] = [];
  let unanswered = 0;
  let recorded = 0;
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (ctx.signal.aborted || failed.length > 0) return;
      try {
        const outcome = await readProject(ctx, state.args, next, follower);
        if (outcome === "recorded") recorded += 1;
        const isAway = outcome instanceof UpstreamError;
        unanswered = isAway ? unanswered + 1 : 0;
        if (isAway && unanswered >= UNREACHABLE_IN_A_ROW) failed.push(outcome);
      } catch (error) {
        failed.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  if (recorded > 0) {
    // Once for all of them: that each asked for it would have them wait for each other.
    const pages = [{ kind: "home" as const, key: "" }];
    await askUntilDone(ctx, state.args.database, "requestPage", { pages });
  }
  if (failed.length > 0) throw failed[0];
  return projects.length === PROJECTS_A_PASS && projects.some((project) => !project.isLook);
}
