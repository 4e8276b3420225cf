/**
 * A running system: the tree, its refs, pause, tracing and the ordered stop. `bin` and tests start one;
 * everything else reaches it through `ctx`.
 */
import { randomInt } from "node:crypto";
import { inspect } from "node:util";
import type { ActorRef } from "./actor-ref.ts";
import type { AnyChildSpec, ChildSpec, SupervisorSpec } from "./child-spec.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type DeadLetterSummary, DeadLetters } from "./dead-letters.ts";
import { DeathWatch } from "./death-watch.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type ExitReason, toError } from "./exit-reason.ts";
import type { TreeNode } from "./introspection.ts";
import type { Logger } from "./logger.ts";
import { namePattern } from "./name-pattern.ts";
import { makeRef } from "./path-ref.ts";
import { seededRandom } from "./random.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { currentScope, outsideScopes } from "./scope.ts";
import { checkSpec } from "./spec-validation.ts";
import { SupervisionError } from "./supervision-error.ts";
import { SupervisorCell } from "./supervisor-cell.ts";
import { type TraceEvent, type TraceHook, Tracer } from "./tracing.ts";

export interface SystemOptions {
  /** For logs; also the dispatcher's system name. */
  readonly name: string;
  /**
   * A supervisor; its own id is no part of any path. A single actor gets a supervisor of its own. As a
   * function it is given the refs, so that a tree can say who knows whom before anybody lives.
   */
  readonly root: ChildSpec | ((refs: Pick<System, "ref">) => ChildSpec);
  readonly logger: Logger;
  /** Of the jitter: the same seed gives the same delays. Default: drawn. */
  readonly seed?: number;
  readonly clock?: Clock;
  /** Names, paths or `*` patterns of actors whose messages are logged at level debug. */
  readonly debug?: readonly string[];
  /** After this long a stop fences whatever is left. Default 30,000. */
  readonly stopDeadlineMs?: number;
  /** Freezes bodies that are plain objects or arrays. Default: unless NODE_ENV is `production`. */
  readonly freezeMessages?: boolean;
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
  tree(): TreeNode;
  deadLetters(): DeadLetterSummary;
  /**
   * Pauses the actors whose id (or path) matches; `*` stands for anything. Doing it twice is no error.
   * Returns the ids that matched and can be paused: an actor of pause kind `never` is not among them.
   */
  pause(pattern: string): string[];
  resume(pattern: string): string[];
  /**
   * Makes an actor crash as if its handler had thrown, or a supervisor give up. For fault tests and for
   * errors that turn up outside of any handler. False when nobody lives there.
   */
  crash(path: string, error: Error): boolean;
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
  readonly deathWatch = new DeathWatch();
  readonly tracer = new Tracer();
  readonly receivers = new Map<string, Receiver>();
  readonly freezesMessages: boolean;
  readonly terminated: Promise<ExitReason>;
  readonly #seed: number;
  readonly #stopDeadlineMs: number;
  readonly #root: SupervisorCell;
  #incarnations = 0;
  #terminate: (reason: ExitReason) => void = () => undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: SystemOptions) {
    const { name, logger, clock = systemClock, seed = randomInt(2 ** 31) } = options;
    this.name = name;
    this.clock = clock;
    this.logger = logger;
    this.#seed = seed;
    this.#stopDeadlineMs = options.stopDeadlineMs ?? defaultStopDeadlineMs;
    this.freezesMessages = options.freezeMessages ?? process.env["NODE_ENV"] !== "production";
    this.undelivered = new DeadLetters(clock, logger);
    this.dispatcher = new Dispatcher((error) =>
      logger.error({ err: toError(error) }, "a turn threw; this is an error of the runtime"),
    );
    this.terminated = new Promise((resolve) => {
      this.#terminate = resolve;
    });
    const debug = (event: TraceEvent) => this.#debug(event);
    for (const pattern of options.debug ?? []) this.trace(pattern, debug);
    const root =
      typeof options.root === "function"
        ? options.root({ ref: (path) => makeRef(this, path) })
        : options.root;
    checkSpec(root);
    this.#root = new SupervisorCell(
      this,
      { childExited: (_cell, _generation, reason) => this.#gaveUp(reason) },
      "/",
      rootOf(root),
    );
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

  ref<M>(path: string): ActorRef<M> {
    return makeRef<M>(this, path);
  }

  pin<M>(ref: ActorRef<M>): ActorRef<M> {
    return makeRef<M>(this, ref.path, this.receivers.get(ref.path)?.incarnationNumber ?? 0);
  }

  async startChild<M>(supervisorPath: string, spec: ChildSpec<M>): Promise<ActorRef<M>> {
    const cell = this.#find(supervisorPath);
    if (!(cell instanceof SupervisorCell)) {
      throw new SupervisionError("not_found", `${supervisorPath}: there is no supervisor`);
    }
    await cell.startDynamic(spec);
    return this.ref<M>(`${cell.path === "/" ? "" : cell.path}/${spec.id}`);
  }

  async stopChild(path: string): Promise<void> {
    const segments = segmentsOf(path);
    const id = segments.pop();
    if (id === undefined) throw new SupervisionError("not_found", "the root is stopped by stop()");
    const parent = this.#root.find(segments);
    if (parent instanceof SupervisorCell) await unlessOwnEnd(parent.stopChild(id));
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
    return this.#setPaused(pattern, false);
  }

  crash(path: string, error: Error): boolean {
    return this.#find(path)?.crash(error) ?? false;
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
    this.#incarnations += 1;
    return this.#incarnations;
  }

  random(path: string): () => number {
    return seededRandom(this.#seed, path);
  }

  // ---- own ------------------------------------------------------------------------------------

  async #stop(): Promise<void> {
    const cancelDeadline = this.clock.setTimer(this.#stopDeadlineMs, () => {
      this.logger.error({ stopDeadlineMs: this.#stopDeadlineMs }, "stop takes too long: fencing");
      this.#root.kill();
    });
    await this.#root.halt(true);
    cancelDeadline();
    this.#end({ kind: "shutdown" });
  }

  #gaveUp(reason: ExitReason): void {
    // A stop is on its way and has the last word.
    if (this.#stopped) return;
    const cause = reason.kind === "shutdown" ? reason.cause : undefined;
    this.#end(cause ? { kind: "error", error: cause } : reason);
  }

  #end(reason: ExitReason): void {
    this.#root.finish(reason);
    this.dispatcher.stop();
    this.#stopped ??= Promise.resolve();
    this.#terminate(reason);
  }

  #find(path: string) {
    return this.#root.find(segmentsOf(path));
  }

  #setPaused(pattern: string, isPaused: boolean): string[] {
    const matches = namePattern(pattern);
    const ids = new Set<string>();
    for (const actor of this.#root.actors()) {
      if (matches(actor.id, actor.path) && actor.setPaused(isPaused)) ids.add(actor.id);
    }
    return [...ids];
  }

  #debug({ path, direction, type, to, body, incarnation }: TraceEvent): void {
    const shown = inspect(body, { depth: 2, breakLength: Infinity, maxStringLength: 100 });
    const fields = { actor: path, incarnation, direction, type, body: shown.slice(0, 400) };
    this.logger.debug(to === undefined ? fields : { ...fields, to }, "message");
  }
}

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
