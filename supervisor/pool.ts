/**
 * A pool: several workers of one definition behind one ref. The router (`ID/router`) has the workers'
 * protocol and gives each message, told or asked, to a worker that has nothing to do; while there is none,
 * messages wait in the router's mailbox, in their order.
 *
 *     pool("fetchers", fetcher, { timeoutMs: 1_000 }, { size: 4 })
 *     ctx.ref<FetcherMessages>("/fetchers/router").ask("FETCH", url)
 *
 * For handlers that wait much. What computes for long blocks the whole process, however many workers.
 */
import { behaviourOf, defineActor, type UntypedContext } from "./actor-definition.ts";
import {
  type ActorDefinition,
  behaviour,
  type ChildOptions,
  type ChildSpec,
  child,
  type SupervisorOptions,
  supervisor,
} from "./child-spec.ts";
import { IDLE, PoolRouter, type RouterMessages, type WorkerNews } from "./pool-router.ts";

export interface PoolOptions
  extends Pick<SupervisorOptions, "intensity" | "backoff">,
    Pick<ChildOptions, "startMs" | "shutdownMs" | "revive"> {
  /** Workers; 1 or more. */
  readonly size: number;
  /**
   * What becomes of the job that a worker crashed with: `requeue` gives it to the next free worker, before
   * all that wait (so a job may be done in part, or twice); `fail` gives it up. Default `fail`.
   */
  readonly onCrash?: "requeue" | "fail";
  /** How often a job is tried in all before it is given up. Default 3; with `fail` always 1. */
  readonly attempts?: number;
  /** Jobs that may wait; beyond it they are `rejected`. Default 10,000. */
  readonly bound?: number;
}

/** A worker that spends its budget is failed alone and comes back later: the others are not to be stopped. */
const defaultRevival = { minMs: 1_000, maxMs: 30_000 };

/**
 * The spec of a supervisor with the children `router` and `workers`. To askers the router is as one actor,
 * with these differences: a job that was given up is AskError `failed` with the worker's AskError
 * `crashed` or `dead` as its cause (a told one is only logged), control types wait as others do, and the
 * order in which jobs end is not that in which they came. Deadline and abort of the asker reach the
 * worker (`ctx.askSignal`), which gets no other job until it has finished this one. A crash of the
 * router itself rejects all asks that it holds, and restarts the workers. `intensity`, `backoff` and
 * `revive` are each worker's; default of `revive`: 1,000 to 30,000 ms.
 *
 * @throws TypeError for sizes and attempts below 1, and for messages whose name begins with `pool:`.
 */
export function pool<M extends object, Args>(
  id: string,
  definition: ActorDefinition<M, Args>,
  args: NoInfer<Args>,
  options: PoolOptions,
): ChildSpec {
  const { size, onCrash = "fail", attempts = 3, bound = 10_000 } = options;
  const { intensity, backoff, startMs, shutdownMs, revive = defaultRevival } = options;
  if (!(Number.isInteger(size) && size >= 1)) throw new TypeError(`pool ${id}: size ${size}`);
  if (!(Number.isInteger(attempts) && attempts >= 1)) {
    throw new TypeError(`pool ${id}: attempts ${attempts}`);
  }
  const { pause, handlers } = behaviourOf(definition);
  const types = [...handlers.keys()];
  const taken = types.find((type) => type.startsWith("pool:"));
  if (taken !== undefined)
    throw new TypeError(`pool ${id}: ${taken} is a message of the pool itself`);
  const most = onCrash === "requeue" ? attempts : 1;
  const router = defineActor<RouterMessages, undefined, PoolRouter>({
    name: `gives ${definition.name} their jobs`,
    pause: pause === "park" ? "park" : "never",
    mailbox: { bound },
    control: ["pool:up", "pool:down"],
    init: (ctx) => new PoolRouter(ctx, most),
    handle: {
      "pool:up": (state, news) => state.up(news),
      "pool:down": (state, news) => state.down(news),
      ...jobHandlers(types),
    },
  });
  const worker = asWorker(definition);
  const workerOptions: ChildOptions = {
    revive,
    ...(startMs !== undefined && { startMs }),
    ...(shutdownMs !== undefined && { shutdownMs }),
  };
  return supervisor(id, { strategy: "rest_for_one" }, [
    child("router", router, undefined),
    supervisor(
      "workers",
      { ...(intensity && { intensity }), ...(backoff && { backoff }) },
      Array.from({ length: size }, (_, n) => child(`${n + 1}`, worker, args, workerOptions)),
    ),
  ]);
}

type JobHandler = (state: PoolRouter, body: unknown, ctx: Pick<UntypedContext, "defer">) => unknown;

function jobHandlers(types: readonly string[]): object {
  const handlers: Record<string, JobHandler> = {};
  for (const type of types) {
    handlers[type] = (state, body, ctx) => {
      const reply = ctx.defer();
      state.accept(type, body, reply);
      return reply;
    };
  }
  return handlers;
}

/** The definition, but its incarnations tell the router when they come and go. */
function asWorker<M extends object, Args>(
  definition: ActorDefinition<M, Args>,
): ActorDefinition<M, Args> {
  const inner = behaviourOf(definition);
  const tell = (ctx: UntypedContext, type: keyof RouterMessages) => {
    const router = ctx.ref<RouterMessages>(`${ctx.path.split("/").slice(0, -2).join("/")}/router`);
    const news: WorkerNews = { path: ctx.path, incarnation: ctx.incarnation };
    router.tell(type, news);
  };
  const worker: typeof inner = {
    ...inner,
    control: new Set([...inner.control, IDLE]),
    handlers: new Map([...inner.handlers, [IDLE, () => undefined]]),
    async init(ctx, args) {
      const state = await inner.init(ctx, args);
      tell(ctx, "pool:up");
      return state;
    },
    stop(state, reason, ctx) {
      tell(ctx, "pool:down");
      return inner.stop?.(state, reason, ctx);
    },
  };
  return { name: definition.name, [behaviour]: worker };
}
