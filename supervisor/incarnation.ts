/**
 * One life of an actor, from `init` to its end. States and their exits:
 *
 *     init -> running -> closing -> over        (ready; told to stop, exit or crash; ended)
 *     init -> over                              (init failed, timed out, was given up or said IGNORE)
 *
 * It takes messages one at a time, in turns that the dispatcher gives. It restarts nothing: its cell is
 * told why it ended. A running handler cannot be killed in Node; past its deadline it is fenced, that is
 * to say nothing it still sends, answers or throws counts.
 */
import { setMaxListeners } from "node:events";
import type { Deferred, Timer } from "./actor-context.ts";
import { type Behaviour, IGNORE, type UntypedContext } from "./actor-definition.ts";
import { Refusal } from "./ask-error.ts";
import type { CancelTimer } from "./clock.ts";
import type { Watcher } from "./death-watch.ts";
import type { Runner } from "./dispatcher.ts";
import { describeExit, type ExitReason, type Terminated, toError } from "./exit-reason.ts";
import { HeldAsks } from "./held-asks.ts";
import { buildContext, type ContextSource } from "./incarnation-context.ts";
import type { Logger } from "./logger.ts";
import type { Envelope, Guard, Mailbox } from "./mailbox.ts";
import type { Runtime } from "./runtime.ts";
import { inScope, outsideScopes, type Scope, type ScopeOwner } from "./scope.ts";
import { SupervisionError } from "./supervision-error.ts";
import { Timers } from "./timers.ts";
import type { TraceEvent } from "./tracing.ts";

/** What an incarnation needs of its cell. */
export interface IncarnationHost {
  readonly runtime: Runtime;
  readonly id: string;
  readonly path: string;
  readonly behaviour: Behaviour;
  readonly mailbox: Mailbox;
  readonly log: Logger;
  readonly startMs: number;
  readonly shutdownMs: number;
  readonly isPaused: boolean;
  countHandled(): void;
  setDegraded(reason: string | undefined): void;
  started(incarnation: Incarnation): void;
  /** It ended by itself: it crashed or had finished. Not called after `abandon`. */
  exited(incarnation: Incarnation, reason: ExitReason): void;
}

type Phase = "init" | "running" | "closing" | "over";

/** A turn ends after so many messages or so long, so that actors and sockets share the loop. */
const messagesPerTurn = 64;
const turnMs = 5;

export class Incarnation implements ScopeOwner, Watcher, ContextSource {
  readonly number: number;
  readonly path: string;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly #host: IncarnationHost;
  readonly #context: UntypedContext;
  readonly #controller = new AbortController();
  readonly #timers: Timers;
  readonly #held: HeldAsks;
  #scope: Scope = { owner: this, isLive: true };
  #phase: Phase = "init";
  #state: unknown;
  #runner: Runner | undefined;
  #isBusy = false;
  #busySinceMs = 0;
  #toldPaused = false;
  #exitAsked: ExitReason | undefined;
  #closed: Promise<ExitReason> | undefined;
  #isKilled = false;
  #failInit: (error: Error) => void = () => undefined;
  #becameIdle: () => void = () => undefined;
  #stopWaiting: () => void = () => undefined;

  constructor(host: IncarnationHost, number: number) {
    this.#host = host;
    this.number = number;
    this.path = host.path;
    this.runtime = host.runtime;
    this.log = host.log;
    setMaxListeners(0, this.#controller.signal);
    this.#timers = new Timers(host.runtime.clock, (envelope) => this.#tick(envelope));
    this.#held = new HeldAsks(() =>
      host.runtime.undelivered.record(host.path, "(answer)", "late-reply"),
    );
    this.#context = buildContext(this);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get askSignal(): AbortSignal {
    return this.#held.inHand?.unwanted ?? new AbortController().signal;
  }

  get isPaused(): boolean {
    return this.#host.isPaused;
  }

  get canAct(): boolean {
    return this.#scope.isLive;
  }

  get isStarting(): boolean {
    return this.#phase === "init";
  }

  /** How long the message in hand has been in hand. */
  get busyMs(): number {
    return this.#isBusy ? performance.now() - this.#busySinceMs : 0;
  }

  // ---- beginning ------------------------------------------------------------------------------

  /** @throws what `init` threw, or SupervisionError `init-timeout` or `stopped`. */
  start(args: unknown): Promise<"ready" | "ignored"> {
    const { behaviour, runtime, startMs } = this.#host;
    return new Promise((resolve, reject) => {
      const cancelDeadline = runtime.clock.setTimer(startMs, () =>
        this.#failInit(
          new SupervisionError("init-timeout", `${this.path}: not ready within ${startMs} ms`),
        ),
      );
      this.#failInit = (error) => {
        if (!this.#is("init")) return;
        cancelDeadline();
        this.#endWithoutState();
        reject(error);
      };
      const settled = (state: unknown) => {
        if (!this.#is("init")) {
          if (state !== IGNORE) void this.#runStop(state, { kind: "killed" }, 0);
          return;
        }
        cancelDeadline();
        if (state === IGNORE) {
          this.#endWithoutState();
          resolve("ignored");
        } else {
          this.#becomeReady(state);
          resolve("ready");
        }
      };
      const initialised = inScope(this.#scope, async () => behaviour.init(this.#context, args));
      initialised.then(settled, (thrown: unknown) => this.#failInit(toError(thrown)));
    });
  }

  #becomeReady(state: unknown): void {
    this.#state = state;
    this.#phase = "running";
    this.#runner = this.runtime.dispatcher.spawn(this.path, () =>
      inScope(this.#scope, () => this.#turn()),
    );
    this.#host.started(this);
    this.wake();
  }

  /** Gives a start up. A state that comes all the same is stopped, so that nothing stays open. */
  abandon(): void {
    this.#failInit(new SupervisionError("stopped", `${this.path}: its start was given up`));
  }

  #endWithoutState(): void {
    this.#phase = "over";
    this.#scope.isLive = false;
    this.#letGo();
  }

  // ---- messages -------------------------------------------------------------------------------

  /** There may be something to do. */
  wake(): void {
    if (this.#phase === "running") this.#runner?.wake();
  }

  async #turn(): Promise<void> {
    if (this.#isBusy) return;
    const { mailbox } = this.#host;
    const startedAtMs = performance.now();
    this.#busySinceMs = startedAtMs;
    for (let taken = 1; this.#is("running"); taken++) {
      if (this.#exitAsked) {
        this.#endByItself(this.#exitAsked, true);
        return;
      }
      const wait = this.#tellPaused() ?? this.#handleNext();
      if (wait === "nothing") return;
      if (wait !== "done") await wait;
      const nowMs = performance.now();
      this.#busySinceMs = nowMs;
      if (taken >= messagesPerTurn || nowMs - startedAtMs > turnMs) {
        if (mailbox.has(true) || this.#exitAsked) this.wake();
        return;
      }
    }
  }

  /** PAUSE and RESUME come before any message; saying them twice between two turns is as never. */
  #tellPaused(): Promise<void> | "done" | undefined {
    const { behaviour, isPaused } = this.#host;
    if (this.#toldPaused === isPaused) return undefined;
    this.#toldPaused = isPaused;
    const type = isPaused ? "PAUSE" : "RESUME";
    const envelope = { type, body: undefined, ask: undefined, guard: undefined };
    return this.#call(envelope, () =>
      behaviour.pauseChanged?.(this.#state, isPaused, this.#context),
    );
  }

  #handleNext(): Promise<void> | "done" | "nothing" {
    const { behaviour, mailbox, isPaused } = this.#host;
    const envelope = mailbox.take(!(isPaused && behaviour.pause === "park"));
    if (!envelope) return "nothing";
    const { type, body, ask, guard } = envelope;
    const verdict = guard?.admit(this.number) ?? "take";
    if (verdict === "drop") return "done";
    if (verdict === "stale") {
      this.#deadLetter(type, "stale-incarnation");
      ask?.fail("dead", "that incarnation has ended");
      return "done";
    }
    if (ask?.isSettled) {
      this.#deadLetter(type, "expired");
      return "done";
    }
    const handler = behaviour.handlers.get(type);
    if (!handler) {
      this.#deadLetter(type, "unhandled");
      ask?.fail("failed", "it has no such message");
      return "done";
    }
    this.#host.countHandled();
    return this.#call(envelope, () => handler(this.#state, body, this.#context));
  }

  #call(envelope: Envelope, work: () => unknown): Promise<void> | "done" {
    this.#isBusy = true;
    this.#held.take(envelope.ask);
    this.#trace("in", envelope.type, envelope.body);
    let result: unknown;
    try {
      result = work();
    } catch (thrown) {
      this.#failed(envelope, thrown);
      return "done";
    }
    if (result instanceof Promise) return this.#settle(envelope, result);
    this.#answer(envelope, result);
    return "done";
  }

  async #settle(envelope: Envelope, result: Promise<unknown>): Promise<void> {
    const cancelWatchdog = this.#armWatchdog(envelope.type);
    try {
      this.#answer(envelope, await result);
    } catch (thrown) {
      this.#failed(envelope, thrown);
    } finally {
      cancelWatchdog();
    }
  }

  #answer({ type, ask }: Envelope, result: unknown): void {
    this.#isBusy = false;
    const isDeferred = this.#held.release(result);
    this.#becameIdle();
    this.#trace("out", type, isDeferred ? "(later)" : result);
    if (ask && !isDeferred && !ask.answer(result)) this.#deadLetter(type, "late-reply");
  }

  #failed({ type, ask }: Envelope, thrown: unknown): void {
    const error = toError(thrown);
    this.#isBusy = false;
    this.#held.release(undefined);
    this.#becameIdle();
    if (error instanceof Refusal) {
      this.#trace("out", type, error);
      if (!ask) this.log.warn({ err: error, type }, "refused a message that nobody asked with");
      else if (!ask.refuse(error)) this.#deadLetter(type, "late-reply");
      return;
    }
    this.#trace("crash", type, error);
    ask?.fail(this.#is("running") ? "crashed" : "dead", error.message, error);
    if (!this.crash(error)) this.log.debug({ err: error, type }, "a handler failed after its end");
  }

  /** Warns at half the time; at the end of it nobody waits for this handler any longer. */
  #armWatchdog(type: string): CancelTimer {
    const timeoutMs = this.#host.behaviour.handlerTimeoutMs;
    const { clock } = this.runtime;
    if (timeoutMs === 0) return () => undefined;
    const halfMs = timeoutMs / 2;
    let cancel = clock.setTimer(halfMs, () => {
      if (!this.#is("running")) return;
      this.log.warn({ type, forMs: halfMs }, "a handler is slow");
      cancel = clock.setTimer(halfMs, () => {
        if (!this.#is("running")) return;
        const message = `${this.path}: ${type} not handled within ${timeoutMs} ms`;
        const error = new SupervisionError("handler-timeout", message);
        this.#trace("crash", type, error);
        this.#endByItself({ kind: "error", error }, false);
      });
    });
    return () => cancel();
  }

  // ---- end ------------------------------------------------------------------------------------

  /** False when it has ended already or is ending: the error concerns nobody. */
  crash(error: Error): boolean {
    if (this.#is("init")) {
      this.#failInit(error);
      return true;
    }
    if (!this.#is("running")) return false;
    this.#endByItself({ kind: "error", error }, true);
    return true;
  }

  exit(kind: "normal" | "shutdown"): void {
    this.#exitAsked ??= { kind };
    this.wake();
  }

  #endByItself(reason: ExitReason, waitsForHandler: boolean): void {
    outsideScopes(() => {
      void this.close(reason, waitsForHandler).then((final) => this.#host.exited(this, final));
    });
  }

  /**
   * Ends it: the message in hand is waited for, then `stop`, all within `shutdownMs`. Never rejects;
   * gives the reason, `killed` when it did not end in time. Doing it twice is as once.
   */
  close(reason: ExitReason, waitsForHandler = true): Promise<ExitReason> {
    this.#closed ??= this.#close(reason, waitsForHandler);
    return this.#closed;
  }

  async #close(reason: ExitReason, waitsForHandler: boolean): Promise<ExitReason> {
    const { clock } = this.runtime;
    const deadlineAtMs = clock.monotonicMs() + this.#host.shutdownMs;
    const error = reason.kind === "error" ? reason.error : undefined;
    this.#phase = "closing";
    if (error) {
      this.#scope.isLive = false;
      this.#held.rejectAll("crashed", error.message, error);
    }
    this.#letGo();
    let isInTime = true;
    if (this.#isBusy && waitsForHandler) {
      const idle = new Promise<void>((resolve) => {
        this.#becameIdle = resolve;
      });
      isInTime = await this.#before(deadlineAtMs, idle);
    }
    this.#scope.isLive = false;
    isInTime = (await this.#runStop(this.#state, reason, deadlineAtMs)) && isInTime;
    this.#phase = "over";
    this.#state = undefined;
    this.#held.rejectAll("dead", `it has ended (${describeExit(reason)})`);
    if (isInTime) return reason;
    this.log.warn({ reason: reason.kind }, "did not stop in time and was fenced");
    return error ? reason : { kind: "killed" };
  }

  /** Nobody waits for it any longer: the system's own deadline has passed. */
  kill(): void {
    this.#isKilled = true;
    this.#stopWaiting();
    this.abandon();
  }

  #letGo(): void {
    this.#runner?.stop();
    this.#timers.cancelAll();
    this.runtime.deathWatch.forget(this);
    inScope(this.#scope, () => this.#controller.abort());
  }

  /** What `stop` itself sends still counts, until its deadline. Whether it ended in time. */
  async #runStop(state: unknown, reason: ExitReason, deadlineAtMs: number): Promise<boolean> {
    const { behaviour } = this.#host;
    if (!behaviour.stop) return true;
    const scope: Scope = { owner: this, isLive: true };
    this.#scope = scope;
    const stopped = inScope(scope, async () => behaviour.stop?.(state, reason, this.#context)).then(
      () => undefined,
      (thrown: unknown) => this.log.error({ err: toError(thrown) }, "stop failed"),
    );
    const isInTime = await this.#before(deadlineAtMs, stopped);
    scope.isLive = false;
    return isInTime;
  }

  #before(deadlineAtMs: number, work: Promise<void>): Promise<boolean> {
    const leftMs = deadlineAtMs - this.runtime.clock.monotonicMs();
    if (leftMs <= 0 || this.#isKilled) return Promise.resolve(false);
    return new Promise((resolve) => {
      const cancel = this.runtime.clock.setTimer(leftMs, () => resolve(false));
      this.#stopWaiting = () => {
        cancel();
        resolve(false);
      };
      void work.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  // ---- what the context can do ----------------------------------------------------------------

  watch(path: string, type: string): void {
    if (!this.#isActive()) return;
    const isAlive = this.runtime.receivers.get(path)?.isAlive ?? false;
    this.runtime.deathWatch.watch(this, path, type, isAlive);
  }

  unwatch(path: string): void {
    this.runtime.deathWatch.unwatch(this, path);
  }

  deliverTerminated(type: string, body: Terminated, guard: Guard): void {
    this.#host.mailbox.push("lifecycle", { type, body, ask: undefined, guard });
    this.wake();
  }

  after(delayMs: number, type: string, body: unknown): Timer {
    return this.#isActive() ? this.#timers.after(delayMs, type, body) : noTimer;
  }

  every(intervalMs: number, type: string, body: unknown): Timer {
    return this.#isActive() ? this.#timers.every(intervalMs, type, body) : noTimer;
  }

  run(work: (signal: AbortSignal) => Promise<void>): void {
    if (!this.#isActive()) return;
    this.callback(() => work(this.signal));
  }

  callback(work: () => unknown): void {
    if (!this.#scope.isLive) return;
    const scope = this.#scope;
    inScope(scope, async () => work()).then(undefined, (thrown: unknown) => {
      const error = toError(thrown);
      if (!this.crash(error))
        this.log.debug({ err: error }, "background work failed after its end");
    });
  }

  defer(): Deferred {
    return this.#held.defer();
  }

  setDegraded(reason: string | undefined): void {
    if (this.#isActive()) this.#host.setDegraded(reason);
  }

  #isActive(): boolean {
    return this.#phase === "init" || this.#phase === "running";
  }

  /** A method, because the phase changes behind the back of what the compiler can follow. */
  #is(phase: Phase): boolean {
    return this.#phase === phase;
  }

  #tick(envelope: Envelope): void {
    const isControl = this.#host.behaviour.control.has(envelope.type);
    this.#host.mailbox.push(isControl ? "control" : "user", envelope);
    this.wake();
  }

  #deadLetter(type: string, reason: "stale-incarnation" | "expired" | "unhandled" | "late-reply") {
    this.runtime.undelivered.record(this.path, type, reason);
  }

  #trace(direction: TraceEvent["direction"], type: string, body: unknown): void {
    const { tracer } = this.runtime;
    if (!tracer.isActive) return;
    tracer.emit(this.#host.id, {
      direction,
      path: this.path,
      incarnation: this.number,
      type,
      body,
    });
  }
}

const noTimer: Timer = { cancel: () => undefined };
