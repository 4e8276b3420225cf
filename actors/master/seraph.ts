/**
 * Seraph: the load balancer in front of the Oracles. Every task's database request comes here; it goes
 * to a free Oracle and the reply to its asker. All requests are written to be run again, so one whose
 * Oracle crashed or lost its connection is sent again until its asker waits no longer.
 */
import { type DatabaseMessages, type RequestName, requests } from "../../db/requests.ts";
import {
  type ActorContext,
  type ActorRef,
  AskError,
  type Deferred,
  defineActor,
  type Handlers,
  Refusal,
  toError,
} from "../../supervisor/index.ts";
import type { DatabaseMeters } from "./metrics/meters.ts";
import type { OracleMessages } from "./oracle.ts";

interface Job {
  readonly name: RequestName;
  readonly args: unknown;
  readonly reply: Deferred;
  readonly sinceMs: number;
  /** Sendings that came to nothing. */
  failures: number;
}

type Outcome =
  | { readonly kind: "answered" }
  | { readonly kind: "again"; readonly error: Error; readonly isOutage: boolean };

interface OwnMessages {
  ENDED(body: { readonly oracle: Worker; readonly job: Job; readonly outcome: Outcome }): void;
  RESTED(body: { readonly oracle: Worker }): void;
}
export type SeraphMessages = DatabaseMessages & OwnMessages;

interface Worker {
  readonly ref: ActorRef<OracleMessages>;
  state: "free" | "busy" | "resting";
  /** The job in hand is one that may hold all workers but one. */
  isSlow: boolean;
  failures: number;
}

export interface SeraphArgs {
  readonly oracles: readonly ActorRef<OracleMessages>[];
  readonly meters: DatabaseMeters;
}

interface State {
  readonly meters: DatabaseMeters;
  readonly workers: readonly Worker[];
  readonly waiting: Job[];
}

/** Requests that may wait; beyond it askers are refused, so that an outage cannot fill the memory. */
const MAX_WAITING = 20_000;
/** Longest rest of an Oracle that cannot reach the database. */
const MAX_REST_MS = 5_000;

type Context = ActorContext<SeraphMessages>;

const enqueue =
  (name: RequestName) =>
  (state: State, args: unknown, ctx: Context): Deferred => {
    if (state.waiting.length >= MAX_WAITING)
      throw new Refusal("too many database requests are waiting", { code: "busy" });
    const reply = ctx.defer();
    state.waiting.push({ name, args, reply, sinceMs: performance.now(), failures: 0 });
    dispatch(state, ctx);
    return reply;
  };

const requestHandlers = Object.fromEntries(
  (Object.keys(requests) as RequestName[]).map((name) => [name, enqueue(name)]),
) as unknown as Omit<Handlers<SeraphMessages, State>, keyof OwnMessages>;

export const seraph = defineActor<SeraphMessages, SeraphArgs, State>({
  name: "gives database requests to free Oracles",
  mailbox: { bound: MAX_WAITING },
  control: ["ENDED", "RESTED"],
  init: (_ctx, { oracles, meters }) => ({
    meters,
    workers: oracles.map((ref) => ({ ref, state: "free", isSlow: false, failures: 0 })),
    waiting: [],
  }),
  handle: {
    ...requestHandlers,
    ENDED(state, { oracle, job, outcome }, ctx) {
      if (outcome.kind === "again") {
        job.failures += 1;
        state.meters.again();
        // To the front, since it has waited longest; its asker gives it up by its own deadline.
        if (!job.reply.signal.aborted) state.waiting.unshift(job);
      }
      if (outcome.kind === "again" && outcome.isOutage) {
        oracle.failures += 1;
        oracle.state = "resting";
        const restMs = Math.min(MAX_REST_MS, 50 * 2 ** Math.min(oracle.failures, 10));
        ctx.after(restMs * (0.5 + Math.random() / 2), "RESTED", { oracle });
        ctx.degraded(`database: ${outcome.error.message}`);
      } else {
        oracle.state = "free";
        oracle.failures = 0;
        ctx.healthy();
      }
      dispatch(state, ctx);
    },
    RESTED(state, { oracle }, ctx) {
      if (oracle.state === "resting") oracle.state = "free";
      dispatch(state, ctx);
    },
  },
});

function dispatch(state: State, ctx: Context): void {
  for (const worker of state.workers) {
    if (worker.state !== "free") continue;
    const job = takeNext(state);
    if (job === undefined) return;
    worker.state = "busy";
    worker.isSlow = requests[job.name].slow;
    const fromMs = performance.now();
    state.meters.waited((fromMs - job.sinceMs) / 1_000);
    ctx.run(async () => {
      const outcome = await attempt(worker, job);
      if (outcome.kind === "answered")
        state.meters.ran(job.name, (performance.now() - fromMs) / 1_000);
      ctx.self.tell("ENDED", { oracle: worker, job, outcome });
    });
  }
}

/** The first request that may go now; those that nobody waits for any more are dropped on the way. */
function takeNext(state: State): Job | undefined {
  const slowNow = state.workers.filter((worker) => worker.state === "busy" && worker.isSlow).length;
  const isSlowFull = state.workers.length > 1 && slowNow >= state.workers.length - 1;
  for (let at = 0; at < state.waiting.length; at += 1) {
    const job = state.waiting[at];
    if (job === undefined) break;
    if (job.reply.signal.aborted) {
      state.waiting.splice(at, 1);
      at -= 1;
      continue;
    }
    if (isSlowFull && requests[job.name].slow) continue;
    state.waiting.splice(at, 1);
    return job;
  }
  return undefined;
}

async function attempt(worker: Worker, job: Job): Promise<Outcome> {
  try {
    const value = await worker.ref.ask(
      "RUN",
      { name: job.name, args: job.args },
      // Also for an asker that has given up: the Oracle is free when it has answered, not before.
      { timeoutMs: Number.POSITIVE_INFINITY },
    );
    job.reply.resolve(value);
    return { kind: "answered" };
  } catch (thrown) {
    const error = toError(thrown);
    if (error instanceof Refusal && error.code === "retry")
      return { kind: "again", error, isOutage: false };
    if (error instanceof Refusal && error.code === "unavailable")
      return { kind: "again", error, isOutage: true };
    if (error instanceof AskError && (error.code === "crashed" || error.code === "dead"))
      return { kind: "again", error, isOutage: true };
    job.reply.reject(error);
    return { kind: "answered" };
  }
}
