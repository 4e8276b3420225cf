/**
 * A running system: the tree, its refs, pause, tracing and the ordered stop. `bin` and tests start one;
 * everything else reaches it through `ctx`.
 */
import { randomInt } from "node:crypto";
import { inspect } from "node:util";
import { ActorCell } from "./actor-cell.ts";
import type { ActorRef, AnyRef, AskOptions } from "./actor-ref.ts";
import { Border, type Codec } from "./border.ts";
import type { Cell } from "./cell.ts";
import type { AnyChildSpec, ChildSpec, SupervisorSpec } from "./child-spec.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type DeadLetterSummary, DeadLetters } from "./dead-letters.ts";
import { DeathWatch } from "./death-watch.ts";
import { Dispatcher } from "./dispatcher.ts";
import { EventLoopGauge } from "./event-loop-delay.ts";
import { type ExitReason, toError } from "./exit-reason.ts";
import { Gauges } from "./gauges.ts";
import type { TreeNode } from "./introspection.ts";
import type { Logger } from "./logger.ts";
import { namePattern } from "./name-pattern.ts";
import { type NodeOptions, type Nodes, RemoteNodes } from "./nodes/nodes.ts";
import { makePinnedRef, makeRef } from "./path-ref.ts";
import { seededRandom } from "./random.ts";
import { type Listing, Registry } from "./registry.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { currentScope, outsideScopes } from "./scope.ts";
import { checkSpec } from "./spec-validation.ts";
import { getState, replaceState, type StateCall } from "./state-call.ts";
import { type SystemStatistics, statisticsOf } from "./statistics.ts";
import { SupervisionError } from "./supervision-error.ts";
import { SupervisorCell } from "./supervisor-cell.ts";
import { type RecentEvent, TraceRing } from "./trace-ring.ts";
import { type TraceEvent, type TraceHook, Tracer } from "./tracing.ts";

export interface SystemOptions {
  /** For logs; also the dispatcher's system name. */
  readonly name: string;
  /**
   * A supervisor; its own id is no part of any path. A single actor gets a supervisor of its own. As a
   * function it is given the refs, so that a tree can say who knows whom before anybody lives.
   */
  readonly root: ChildSpec | ((refs: Pick<System, "ref" | "nodes">) => ChildSpec);
  readonly logger: Logger;
  /** Of the jitter: the same seed gives the same delays. Default: drawn. */
  readonly seed?: number;
  readonly clock?: Clock;
  /** Names, paths or `*` patterns of actors whose messages are logged at level debug. */
  readonly debug?: readonly string[];
  /**
   * What comes before `stop` ends the first actor; all of them still work. The stop waits for it, so it has to be
   * bounded; what it throws is logged. A root that gives up meanwhile ends the system as ever.
   */
  readonly beforeStop?: () => Promise<void>;
  /** After this long a stop fences whatever is left. Default 30,000. */
  readonly stopDeadlineMs?: number;
  /** Freezes bodies that are plain objects or arrays. Default: unless NODE_ENV is `production`. */
  readonly freezeMessages?: boolean;
  /** How other nodes speak with this one. Without it there are none, and no path is remote. */
  readonly node?: NodeOptions;
  /**
   * Sends what is said to actors with a protocol (`node.protocols`) through a codec and its checks, as if they
   * lived elsewhere: for test runs. Default: by reference.
   */
  readonly forceCodec?: Codec;
  /** Gives a start up: everything that was started is stopped and `startSystem` rejects. */
  readonly signal?: AbortSignal;
}

export interface System {
  readonly name: string;
  readonly logger: Logger;
  /** `path` as below the root: `/services/farm/architect`. */
  ref<M>(path: string): ActorRef<M>;
  /** A ref to the incarnation that lives there now; see `ctx.pin`. */
  pin<M>(ref: ActorRef<M>): ActorRef<M>;
  /** As `ctx.startChild`. */
  startChild<M>(supervisorPath: string, spec: ChildSpec<M>): Promise<ActorRef<M>>;
  stopChild(path: string): Promise<void>;
  /** As `ctx.restartChild`. */
  restartChild<M>(path: string): Promise<ActorRef<M>>;
  /** As `ctx.deleteChild`. */
  deleteChild(path: string): void;
  /** Other nodes, for the owners of connections. */
  readonly nodes: Nodes;
  /**
   * The state of an actor, or what the `snapshot` of its definition makes of it, between two messages: it
   * waits for the message in hand, but for no other, nor for RESUME. Where no incarnation is ready, it
   * waits for the next (OTP: `sys:get_state`). For diagnosis; without `snapshot` it is the state itself.
   *
   * @throws AskError `timeout` (default 5,000 ms), `dead` (no actor lives there, or it ended first),
   * `aborted`, `failed` (the snapshot threw, which costs the actor nothing).
   */
  getState(path: string, options?: AskOptions): Promise<unknown>;
  /**
   * Replaces the state by what `change` makes of it and gives the new one (OTP: `sys:replace_state`).
   * Where `change` throws, or returns undefined or a promise, the state stays as it was.
   *
   * @throws AskError as `getState`; `failed` with what `change` threw.
   */
  replaceState<S>(path: string, change: (state: S) => S, options?: AskOptions): Promise<S>;
  tree(): TreeNode;
  deadLetters(): DeadLetterSummary;
  /**
   * Gives a local actor a name, until it ends for good; see `ctx.register`. Twice is as once.
   *
   * @throws SupervisionError `not_found` (nobody who takes messages lives there), `not_local` (a ref to
   * another node), `malformed` (a name has 1 to 200 characters).
   */
  register(name: string, ref: AnyRef): void;
  unregister(name: string, ref: AnyRef): void;
  /** Who has a name now. */
  listing<M>(name: string): Listing<M>;
  /** Costs a walk over the tree. */
  statistics(): SystemStatistics;
  /** From now on `statistics` tells how late the event loop is. Ends with the system. */
  measureEventLoop(): void;
  /**
   * Keeps the last `count` events of the actors that match, without their bodies; 0 turns it off, which
   * it is at first. Costs nothing while off, and about as much as handling an empty message while on.
   *
   * @throws RangeError unless `count` is a whole number from 0 to 1,000,000.
   */
  keepTrace(count: number, pattern?: string): void;
  /** What `keepTrace` has kept, oldest first. */
  recentTrace(): readonly RecentEvent[];
  /**
   * Pauses the actors whose id (or path) matches; `*` stands for anything. Doing it twice is no error.
   * Returns the ids that matched and can be paused: an actor of pause kind `never` is not among them.
   */
  pause(pattern: string): string[];
  /** Ends PAUSE and QUIT. Returns the ids that matched and can be paused, or had been told to quit. */
  resume(pattern: string): string[];
  /**
   * Ends the actors that match, each in order and within its deadline; they stay `stopped` in the tree until
   * `resume` (or until their supervisor itself restarts). Doing it twice is no error. Temporary actors and
   * those below the paths of `spared` are left alone. Returns the ids at once; the tree shows when they have stopped.
   */
  quit(pattern: string, spared?: readonly string[]): string[];
  /**
   * Makes an actor crash as if its handler had thrown, or a supervisor give up. For fault tests and for
   * errors that turn up outside of any handler. False when nobody lives there.
   */
  crash(path: string, error: Error): boolean;
  /** Logs each message of the actors that match at level debug, as `SystemOptions.debug` does, until the returned function is called. */
  logMessages(pattern: string): () => void;
  /** Shows each message to `hook` until the returned function is called. Twice the same hook is once. */
  trace(pattern: string, hook: TraceHook): () => void;
  /**
   * Ends everything: reverse order, deepest first. Idempotent. Called from inside an actor, the promise
   * settles as soon as that actor itself is told to stop, so that it cannot wait for itself.
   */
  stop(): Promise<void>;
  /** Settles once, when the root has ended: `shutdown` after `stop`, `error` when it gave up. */
  readonly terminated: Promise<ExitReason>;
}

/**
 * Starts the tree in order.
 *
 * @throws SupervisionError `malformed` before anything has started, or what the first `init` that failed
 * threw, after everything started before it has been stopped in reverse order.
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  const system = new RunningSystem(options);
  await outsideScopes(() => system.start(options.signal));
  return system;
}

const defaultStopDeadlineMs = 30_000;

class RunningSystem implements System, Runtime {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dispatcher: Dispatcher;
  readonly undelivered: DeadLetters;
  readonly deathWatch = new DeathWatch((path) => this.remoteNodes.unwatch(path));
  readonly tracer = new Tracer();
  readonly receivers = new Map<string, Receiver>();
  readonly gauges = new Gauges();
  readonly registry = new Registry(this);
  readonly remoteNodes: RemoteNodes;
  readonly border: Border | undefined;
  readonly freezesMessages: boolean;
  readonly terminated: Promise<ExitReason>;
  readonly #seed: number;
  readonly #stopDeadlineMs: number;
  readonly #beforeStop: (() => Promise<void>) | undefined;
  readonly #root: SupervisorCell;
  /** Actors that were told to quit, until `resume`, and when each has stopped. */
  readonly #quits = new Map<string, Promise<void>>();
  /** How often `logMessages` was said of each pattern and not taken back. */
  readonly #logged = new Map<string, number>();
  readonly #startedAtMs: number;
  readonly #traceRing: TraceRing;
  readonly #eventLoop = new EventLoopGauge();
  #terminate: (reason: ExitReason) => void = () => undefined;
  #stopped: Promise<void> | undefined;
  #isPreparing = false;
  #hasEnded = false;

  constructor(options: SystemOptions) {
    const { name, logger, clock = systemClock, seed = randomInt(2 ** 31) } = options;
    this.name = name;
    this.clock = clock;
    this.logger = logger;
    this.#seed = seed;
    this.#stopDeadlineMs = options.stopDeadlineMs ?? defaultStopDeadlineMs;
    this.#beforeStop = options.beforeStop;
    this.freezesMessages = options.freezeMessages ?? process.env["NODE_ENV"] !== "production";
    this.undelivered = new DeadLetters(clock, logger);
    this.dispatcher = new Dispatcher((error) =>
      logger.error({ err: toError(error) }, "a turn threw; this is an error of the runtime"),
    );
    this.terminated = new Promise((resolve) => {
      this.#terminate = resolve;
    });
    const node = options.node ?? { name, protocols: () => undefined };
    this.remoteNodes = new RemoteNodes(this, node);
    this.border = options.forceCodec && new Border(options.forceCodec, node.protocols);
    this.#startedAtMs = clock.monotonicMs();
    this.#traceRing = new TraceRing(this.tracer, clock);
    for (const pattern of options.debug ?? []) this.logMessages(pattern);
    this.#root = new SupervisorCell(
      this,
      { childExited: (_cell, _generation, reason) => this.#gaveUp(reason) },
      "/",
      rootOf(this.#makeTree(options.root)),
    );
  }

  #makeTree(root: SystemOptions["root"]): ChildSpec {
    try {
      const tree =
        typeof root === "function"
          ? root({ ref: (path) => makeRef(this, path), nodes: this.nodes })
          : root;
      checkSpec(tree);
      return tree;
    } catch (error) {
      // Channels that were asked for meanwhile wait for their nodes, and would hold the process open.
      this.remoteNodes.close();
      this.dispatcher.stop();
      throw error;
    }
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const giveUp = () => void this.#root.halt(true);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      if (signal?.aborted) throw new SupervisionError("stopped", "the start was given up");
      await this.#root.start();
    } catch (thrown) {
      const error = toError(thrown);
      this.#end({ kind: "error", error });
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  // ---- for everybody --------------------------------------------------------------------------

  get nodes(): Nodes {
    return this.remoteNodes;
  }

  ref<M>(path: string): ActorRef<M> {
    return makeRef<M>(this, path);
  }

  pin<M>(ref: ActorRef<M>): ActorRef<M> {
    return makePinnedRef<M>(this, ref.path);
  }

  async startChild<M>(supervisorPath: string, spec: ChildSpec<M>): Promise<ActorRef<M>> {
    const cell = this.#find(supervisorPath);
    if (!(cell instanceof SupervisorCell)) {
      throw new SupervisionError("not_found", `${supervisorPath}: there is no supervisor`);
    }
    await cell.atRunTime.start(spec);
    return this.ref<M>(`${cell.path === "/" ? "" : cell.path}/${spec.id}`);
  }

  async stopChild(path: string): Promise<void> {
    const { parent, id } = this.#place(path);
    if (parent) await unlessOwnEnd(parent.atRunTime.stop(id));
  }

  async restartChild<M>(path: string): Promise<ActorRef<M>> {
    const { parent, id } = this.#place(path);
    if (!parent) throw new SupervisionError("not_found", `${path}: there is no supervisor above`);
    await parent.atRunTime.restart(id);
    return this.ref<M>(path);
  }

  deleteChild(path: string): void {
    const { parent, id } = this.#place(path);
    if (!parent) throw new SupervisionError("not_found", `${path}: there is no supervisor above`);
    parent.atRunTime.delete(id);
  }

  getState(path: string, options?: AskOptions): Promise<unknown> {
    const cell = this.#find(path);
    const snapshot = cell instanceof ActorCell ? cell.behaviour.snapshot : undefined;
    return this.#callState(cell, getState(this.clock, path, snapshot, options));
  }

  async replaceState<S>(path: string, change: (state: S) => S, options?: AskOptions): Promise<S> {
    const call = replaceState(this.clock, path, change, options);
    return (await this.#callState(this.#find(path), call)) as S;
  }

  register(name: string, ref: AnyRef): void {
    this.registry.register(name, ref);
  }

  unregister(name: string, ref: AnyRef): void {
    this.registry.unregister(name, ref);
  }

  listing<M>(name: string): Listing<M> {
    return this.registry.listing<M>(name);
  }

  statistics(): SystemStatistics {
    const uptimeMs = this.clock.monotonicMs() - this.#startedAtMs;
    const delay = this.#eventLoop.read();
    return statisticsOf(uptimeMs, this.gauges, this.tree(), this.deadLetters(), delay);
  }

  measureEventLoop(): void {
    if (!this.#stopped) this.#eventLoop.start();
  }

  keepTrace(count: number, pattern = "*"): void {
    this.#traceRing.keep(count, pattern);
  }

  recentTrace(): readonly RecentEvent[] {
    return this.#traceRing.recent();
  }

  tree(): TreeNode {
    return this.#root.snapshot();
  }

  deadLetters(): DeadLetterSummary {
    return this.undelivered.summary();
  }

  pause(pattern: string): string[] {
    return this.#setPaused(pattern, true);
  }

  resume(pattern: string): string[] {
    const matches = namePattern(pattern);
    const ids = new Set(this.#setPaused(pattern, false));
    for (const [path, stopped] of this.#quits) {
      const id = path.slice(path.lastIndexOf("/") + 1);
      if (!matches(id, path)) continue;
      ids.add(id);
      this.#quits.delete(path);
      // What is still on its way down can be started only when it is.
      void stopped.then(() => this.#startAgain(path));
    }
    return [...ids];
  }

  quit(pattern: string, spared: readonly string[] = []): string[] {
    const matches = namePattern(pattern);
    const ids = new Set<string>();
    for (const { id, path, spec } of this.#root.actors()) {
      const isSpared = spared.some((above) => path.startsWith(`${above}/`));
      if (isSpared || spec.options.restart === "temporary" || !matches(id, path)) continue;
      ids.add(id);
      if (!this.#quits.has(path)) this.#quits.set(path, this.stopChild(path));
    }
    return [...ids];
  }

  crash(path: string, error: Error): boolean {
    return this.#find(path)?.crash(error) ?? false;
  }

  logMessages(pattern: string): () => void {
    const wanted = this.#logged;
    wanted.set(pattern, (wanted.get(pattern) ?? 0) + 1);
    const stop = this.trace(pattern, this.#logMessage);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (wanted.get(pattern) ?? 0) - 1;
      if (left > 0) wanted.set(pattern, left);
      else if (wanted.delete(pattern)) stop();
    };
  }

  trace(pattern: string, hook: TraceHook): () => void {
    return this.tracer.install(pattern, hook);
  }

  stop(): Promise<void> {
    this.#stopped ??= outsideScopes(() => this.#stop());
    return unlessOwnEnd(this.#stopped);
  }

  // ---- for the cells --------------------------------------------------------------------------

  nextIncarnation(): number {
    this.gauges.incarnations += 1;
    return this.gauges.incarnations;
  }

  random(path: string): () => number {
    return seededRandom(this.#seed, path);
  }

  isToldToQuit(path: string): boolean {
    return this.#quits.has(path);
  }

  // ---- own ------------------------------------------------------------------------------------

  async #stop(): Promise<void> {
    if (this.#beforeStop !== undefined) await this.#prepare(this.#beforeStop);
    if (this.#hasEnded) return;
    const cancelDeadline = this.clock.setTimer(this.#stopDeadlineMs, () => {
      this.logger.error({ stopDeadlineMs: this.#stopDeadlineMs }, "stop takes too long: fencing");
      this.#root.kill();
    });
    await this.#root.halt(true);
    cancelDeadline();
    this.#end({ kind: "shutdown" });
  }

  async #prepare(beforeStop: () => Promise<void>): Promise<void> {
    this.#isPreparing = true;
    try {
      await Promise.race([beforeStop(), this.terminated]);
    } catch (error) {
      this.logger.warn({ err: toError(error) }, "what comes before the stop has failed: stopping");
    }
    this.#isPreparing = false;
  }

  #gaveUp(reason: ExitReason): void {
    // A stop is on its way and has the last word.
    if (this.#stopped && !this.#isPreparing) return;
    const cause = reason.kind === "shutdown" ? reason.cause : undefined;
    this.#end(cause ? { kind: "error", error: cause } : reason);
  }

  #end(reason: ExitReason): void {
    this.#hasEnded = true;
    this.#root.finish(reason);
    this.remoteNodes.close();
    this.dispatcher.stop();
    this.#eventLoop.stop();
    this.#stopped ??= Promise.resolve();
    this.#terminate(reason);
  }

  async #startAgain(path: string): Promise<void> {
    try {
      await this.restartChild(path);
    } catch (thrown) {
      const isParentDown = thrown instanceof SupervisionError && thrown.code === "not_running";
      // Its supervisor is on its way up, perhaps past it already, or waits for its own restart.
      if (isParentDown && !this.#stopped && !this.#quits.has(path))
        this.clock.setTimer(RESUME_RETRY_MS, () => void this.#startAgain(path));
      else if (!isRunning(thrown))
        this.logger.warn({ err: toError(thrown), actor: path }, "was not started again by RESUME");
    }
  }

  #find(path: string) {
    return this.#root.find(segmentsOf(path));
  }

  /** The supervisor above a path, where there is one, and the child's id. */
  #place(path: string): { readonly parent: SupervisorCell | undefined; readonly id: string } {
    const segments = segmentsOf(path);
    const id = segments.pop();
    if (id === undefined) throw new SupervisionError("not_found", "the root is nobody's child");
    const parent = this.#root.find(segments);
    return { parent: parent instanceof SupervisorCell ? parent : undefined, id };
  }

  #callState(cell: Cell | undefined, call: StateCall): Promise<unknown> {
    if (!(cell instanceof ActorCell)) call.fail("dead", "no actor lives there");
    else if (!cell.callState(call)) call.fail("dead", "it has ended");
    return call.promise;
  }

  #setPaused(pattern: string, isPaused: boolean): string[] {
    const matches = namePattern(pattern);
    const ids = new Set<string>();
    for (const actor of this.#root.actors()) {
      if (matches(actor.id, actor.path) && actor.setPaused(isPaused)) ids.add(actor.id);
    }
    return [...ids];
  }

  /** One for all patterns: a message that fits several is logged once. */
  readonly #logMessage = ({ path, direction, type, to, body, incarnation }: TraceEvent): void => {
    const shown = inspect(body, { depth: 2, breakLength: Infinity, maxStringLength: 100 });
    const fields = { actor: path, incarnation, direction, type, body: shown.slice(0, 400) };
    this.logger.debug(to === undefined ? fields : { ...fields, to }, "message");
  };
}

/** Between two looks whether the supervisor of a task that RESUME was said to runs again. */
const RESUME_RETRY_MS = 500;

/** Its supervisor was faster. */
const isRunning = (thrown: unknown) =>
  thrown instanceof SupervisionError && thrown.code === "running";

const segmentsOf = (path: string) => path.split("/").filter((segment) => segment !== "");

/** An actor that waits for its own end would wait for ever: its promise settles when it is told. */
async function unlessOwnEnd(ended: Promise<void>): Promise<void> {
  const signal = currentScope()?.owner.signal;
  if (!signal) return await ended;
  if (signal.aborted) return;
  const told = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([ended, told]);
}

function rootOf(spec: AnyChildSpec): SupervisorSpec {
  if (spec.kind !== "worker") return spec;
  return { kind: "supervisor", id: "root", options: {}, children: [spec] };
}
