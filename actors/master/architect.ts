/**
 * The Architect: knows what needs building. Slave sessions ask it for the next build of a target and
 * have leases renewed through it; it sweeps what time brings about (expired leases, retries that are
 * due, blocked builds that can go on) and has the queue computed for targets that are new.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RetryRule } from "../../db/leases.ts";
import type { Place } from "../../db/work.ts";
import type { ToArchitect } from "../../protocol/links/tasks/architect.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import {
  type ActorContext,
  type ActorRef,
  type Deferred,
  defineActor,
  toError,
} from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";

export interface ArchitectMessages extends ToArchitect {
  SWEEP(): void;
  FLUSH(): void;
}

export interface ArchitectArgs {
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly bigBrother: ActorRef<ToBigBrother>;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly sweepMs: number;
  readonly retry: RetryRule;
}

interface State {
  readonly args: ArchitectArgs;
  /** Per target: the place of the last pick, above which nothing is ready but what was passed over. */
  below: Record<string, Place>;
  renewals: {
    readonly token: number;
    readonly slaveId: number;
    readonly reply: Deferred<boolean>;
  }[];
  /** Why no builds are given out, as Big Brother said last. */
  resting: string | null;
  /** The master is about to stop: nothing is given out before this, on the monotonic clock. It is said again until it has stopped. */
  endsUntil: number;
  isRequeuing: boolean;
  isSweeping: boolean;
  isFollowing: boolean;
  /** When the database last answered a sweep, on the monotonic clock. */
  sweptAt: number;
}

type Context = ActorContext<ArchitectMessages>;

/** A target whose slaves were all silent for so long is not waited for any more. */
const ABSENT_MS = 60 * 60_000;
/** For so long the word counts that the master ends. Somebody may have said it who has ended alone. */
const ENDING_MS = 5_000;
/** Renewals that come within this time share a statement. */
const BATCH_MS = 100;

export const architect = defineActor<ArchitectMessages, ArchitectArgs, State>({
  name: "knows what needs building, per target",
  pause: "park",
  init(ctx, args) {
    const state: State = {
      args,
      below: {},
      renewals: [],
      resting: null,
      endsUntil: Number.NEGATIVE_INFINITY,
      isRequeuing: false,
      isSweeping: false,
      isFollowing: false,
      sweptAt: performance.now(),
    };
    // Whether builds may be given out is told with each look at the disk; this one is sooner.
    args.bigBrother.tell("LOOK");
    // Whoever built while the master was away has had nobody to say so to.
    ctx.run(async () => {
      const kept = await askUntilDone(ctx, args.database, "extendLeases", {
        graceMs: args.graceMs,
      });
      if (kept > 0) ctx.log.info({ leases: kept }, "leases of before were extended");
      ctx.self.tell("SWEEP");
    });
    return state;
  },
  handle: {
    REST(state, { reason }) {
      const isWoken = state.resting !== null && reason === null;
      state.resting = reason;
      if (isWoken) state.args.slaveDriver.tell("WAKE", { work: [] });
    },
    END_HANDOUTS(state) {
      state.endsUntil = performance.now() + ENDING_MS;
    },
    async LEASE(state, { slaveId, targetIds, holding }, ctx) {
      // Its slave is told to sleep.
      if (state.resting !== null || performance.now() < state.endsUntil) return null;
      const ask = (below: Record<string, Place>) =>
        state.args.database.ask("leaseBuild", {
          slaveId,
          targetIds,
          holding,
          leaseMs: state.args.leaseMs,
          below,
        });
      let picked: Awaited<ReturnType<typeof ask>>;
      try {
        picked = await ask(state.below);
        if (picked === null && targetIds.some((id) => state.below[id] !== undefined)) {
          for (const id of targetIds) delete state.below[id];
          picked = await ask({});
        }
      } catch (error) {
        // The slave asks again by itself; a lease that was taken meanwhile is then given to it.
        ctx.log.warn({ err: error }, "no build could be leased now");
        return null;
      }
      if (picked === null) return null;
      if (picked.place !== null) state.below[picked.targetId] = picked.place;
      return picked.order;
    },
    RENEW(state, { token, slaveId }, ctx) {
      const reply = ctx.defer<boolean>();
      if (state.renewals.length === 0) ctx.after(BATCH_MS, "FLUSH");
      state.renewals.push({ token, slaveId, reply });
      return reply;
    },
    FLUSH(state, _body, ctx) {
      const batch = state.renewals;
      state.renewals = [];
      if (batch.length === 0) return;
      ctx.run(async () => {
        try {
          const { lost } = await askUntilDone(ctx, state.args.database, "renewLeases", {
            renewals: batch.map(({ token, slaveId }) => ({ token, slaveId })),
            leaseMs: state.args.leaseMs,
          });
          const gone = new Set(lost);
          for (const { token, reply } of batch) reply.resolve(!gone.has(token));
        } catch (error) {
          // Nobody can say: the builds go on.
          for (const { reply } of batch) reply.reject(toError(error));
        }
      });
    },
    WAKE(state, { work }) {
      if (work.length === 0) state.below = {};
      for (const { targetId, first } of work) {
        const known = state.below[targetId];
        if (known !== undefined && isAbove(first, known)) state.below[targetId] = first;
      }
      const wanted = work.map(({ targetId, count }) => ({ targetId, count }));
      state.args.slaveDriver.tell("WAKE", { work: wanted });
    },
    TARGETS_CHANGED(state, _body, ctx) {
      if (state.isRequeuing) return;
      state.isRequeuing = true;
      ctx.run(async () => {
        try {
          while (await askUntilDone(ctx, state.args.database, "requeueStep", { limit: 200 }));
        } catch (error) {
          // The next sweep goes on where this one stopped.
          ctx.log.warn({ err: error }, "the queue could not be computed for a new target now");
        }
        state.isRequeuing = false;
      });
    },
    SWEEP(state, _body, ctx) {
      if (state.isSweeping) return;
      state.isSweeping = true;
      ctx.run(async (signal) => {
        try {
          await sweep(state, ctx);
        } catch (error) {
          if (signal.aborted) return;
          ctx.log.warn({ err: error }, "the queue could not be swept now");
        }
        state.isSweeping = false;
        await delay(state.args.sweepMs, undefined, { signal });
        ctx.self.tell("SWEEP");
      });
    },
  },
});

/**
 * What follows from what has come meanwhile: wants of wants, builds that are blocked no more. Beside the sweep,
 * since it may take minutes in a large farm: how long the database was away is seen by the time between sweeps.
 */
function followWhatCame(state: State, ctx: Context): void {
  if (state.isFollowing) return;
  state.isFollowing = true;
  const { database } = state.args;
  ctx.run(async () => {
    try {
      const { changed } = await askUntilDone(ctx, database, "deriveWants", null);
      if (changed > 0) ctx.log.info({ projects: changed }, "what wanted packages need has changed");
      const released = await askUntilDone(ctx, database, "releaseBlocked", null);
      if (released > 0) ctx.log.info({ released }, "blocked builds went back on the queue");
    } catch (error) {
      if (ctx.signal.aborted) return;
      ctx.log.warn({ err: error }, "what has come meanwhile could not be followed now");
    }
    state.isFollowing = false;
  });
}

const isAbove = (a: Place, b: Place): boolean =>
  a.ord > b.ord || (a.ord === b.ord && a.versionId > b.versionId);

async function sweep(state: State, ctx: Context): Promise<void> {
  const { database, retry, graceMs } = state.args;
  await askUntilDone(ctx, database, "ping", null);
  // While the database was away nobody could renew: no lease may run out for that.
  if (performance.now() - state.sweptAt > state.args.sweepMs + graceMs / 2)
    await askUntilDone(ctx, database, "extendLeases", { graceMs });
  state.sweptAt = performance.now();
  const { expired, due } = await askUntilDone(ctx, database, "sweepQueue", {
    retry,
    // While the farm rests nobody is given a build, and who asks for one is not heard of in the database.
    absentMs: state.resting === null ? ABSENT_MS : null,
  });
  if (expired + due > 0) ctx.log.info({ expired, due }, "builds went back on the queue");
  followWhatCame(state, ctx);
  ctx.self.tell("TARGETS_CHANGED");
  // A row that somebody had locked was passed over, and nobody says so when it is free again.
  state.below = {};
  const { trouble } = await askUntilDone(ctx, database, "queueHealth", null);
  if (trouble === null) ctx.healthy();
  else ctx.degraded(`database: ${trouble}`);
}
