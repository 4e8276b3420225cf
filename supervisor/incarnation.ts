/**
 * One life of an actor, from `init` to its end. States and their exits:
 *
 *     init -> running -> closing -> over        (ready; told to stop, exit or crash; ended)
 *     init -> over                              (init failed, timed out, was given up or said IGNORE)
 *
 * It restarts nothing: its cell is told why it ended. A running handler cannot be killed in Node; past
 * its deadline it is fenced, that is to say nothing it still sends, answers or throws counts.
 */
import { setMaxListeners } from "node:events";
import type { Deferred, Timer } from "./actor-context.ts";
import { IGNORE, type UntypedContext } from "./actor-definition.ts";
import type { Watcher } from "./death-watch.ts";
import type { Runner } from "./dispatcher.ts";
import { describeExit, type ExitReason, type Terminated, toError } from "./exit-reason.ts";
import { HeldAsks } from "./held-asks.ts";
import { buildContext, type ContextSource } from "./incarnation-context.ts";
import type { IncarnationHost } from "./incarnation-host.ts";
import type { Logger } from "./logger.ts";
import type { Loop } from "./loop.ts";
import type { Envelope, Guard } from "./mailbox.ts";
import { type LoopOwner, MessageLoop } from "./message-loop.ts";
import { isRemotePath } from "./nodes/nodes.ts";
import type { Subscriber } from "./registry.ts";
import type { Runtime } from "./runtime.ts";
import { inScope, outsideScopes, type Scope, type ScopeOwner } from "./scope.ts";
import { SupervisionError } from "./supervision-error.ts";
import { Timers } from "./timers.ts";

type Phase = "init" | "running" | "closing" | "over";

export class Incarnation implements ScopeOwner, Watcher, Subscriber, ContextSource, LoopOwner {
  readonly number: number;
  readonly path: string;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly context: UntypedContext;
  readonly held: HeldAsks;
  readonly #host: IncarnationHost;
  readonly #controller = new AbortController();
  readonly #timers: Timers;
  #scope: Scope = { owner: this, isLive: true };
  #phase: Phase = "init";
  #loop: Loop | undefined;
  #runner: Runner | undefined;
  #state: unknown;
  #exitAsked: ExitReason | undefined;
  #closed: Promise<ExitReason> | undefined;
  #isKilled = false;
  #isHolding = false;
  #failInit: (error: Error) => void = nothing;
  #stopWaiting: () => void = nothing;

  constructor(host: IncarnationHost, number: number) {
    this.#host = host;
    this.number = number;
    this.path = host.path;
    this.runtime = host.runtime;
    this.log = host.log;
    setMaxListeners(0, this.#controller.signal);
    this.#timers = new Timers(host.runtime.clock, (envelope) => this.#tick(envelope));
    this.held = new HeldAsks(() =>
      host.runtime.undelivered.record(host.path, "(answer)", "late-reply"),
    );
    this.context = buildContext(this);
  }

  get isStarting(): boolean {
    return this.#phase === "init";
  }

  isRunning(): boolean {
    return this.#phase === "running";
  }

  get isHolding(): boolean {
    return this.#isHolding;
  }

  keepState(state: unknown): void {
    this.#state = state;
  }

  get busyMs(): number {
    return this.#loop?.busyMs ?? 0;
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
        if (!this.isStarting) return;
        cancelDeadline();
        this.#endWithoutState();
        reject(error);
      };
      const settled = (state: unknown) => {
        if (!this.isStarting) {
          // Nobody waits for it any more, but what it holds is to be given back.
          if (state !== IGNORE) void this.#runStop(state, { kind: "killed" }, 0);
          return;
        }
        cancelDeadline();
        // It would keep the timer, the promise and all around them for as long as the actor lives.
        this.#failInit = nothing;
        if (state === IGNORE) this.#endWithoutState();
        else this.#becomeReady(state);
        resolve(state === IGNORE ? "ignored" : "ready");
      };
      const initialised = inScope(this.#scope, async () => behaviour.init(this.context, args));
      initialised.then(settled, (thrown: unknown) => this.#failInit(toError(thrown)));
    });
  }

  #becomeReady(state: unknown): void {
    const { behaviour } = this.#host;
    const loop =
      behaviour.makeLoop?.(this, this.#host, state) ?? new MessageLoop(this, this.#host, state);
    this.#state = state;
    this.#loop = loop;
    this.#phase = "running";
    this.#runner = this.runtime.dispatcher.spawn(this.path, () =>
      inScope(this.#scope, () => loop.turn()),
    );
    this.#host.started(this.number);
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

  /** There may be something to do. */
  wake(): void {
    if (this.isRunning() && !this.#loop?.willLook) this.#runner?.wake();
  }

  // ---- end ------------------------------------------------------------------------------------

  crash(error: Error): boolean {
    if (this.isStarting) {
      this.#failInit(error);
      return true;
    }
    if (!this.isRunning()) return false;
    this.#endByItself({ kind: "error", error }, true);
    return true;
  }

  overdue(error: Error): void {
    this.#endByItself({ kind: "error", error }, false);
  }

  exit(kind: "normal" | "shutdown"): void {
    this.#exitAsked ??= { kind };
    this.wake();
  }

  endedItself(): boolean {
    if (!this.#exitAsked) return false;
    this.#endByItself(this.#exitAsked, true);
    return true;
  }

  #endByItself(reason: ExitReason, waitsForHandler: boolean): void {
    outsideScopes(() => {
      void this.close(reason, waitsForHandler).then((final) =>
        this.#host.exited(this.number, final),
      );
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
    this.#loop?.closing?.(reason);
    if (error) {
      this.#scope.isLive = false;
      this.held.rejectAll("crashed", error.message, error);
    }
    this.#letGo();
    let isInTime = true;
    if (this.#loop?.isBusy && waitsForHandler) {
      isInTime = await this.#before(deadlineAtMs, this.#loop.idle());
    }
    this.#scope.isLive = false;
    isInTime = (await this.#runStop(this.#state, reason, deadlineAtMs)) && isInTime;
    if (this.#loop?.ended) await this.#loop.ended();
    this.#phase = "over";
    this.held.rejectAll("dead", `it has ended (${describeExit(reason)})`);
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
    this.runtime.registry.forget(this);
    inScope(this.#scope, () => this.#controller.abort());
  }

  /** What `stop` itself sends still counts, until its deadline. Whether it ended in time. */
  async #runStop(state: unknown, reason: ExitReason, deadlineAtMs: number): Promise<boolean> {
    const { behaviour } = this.#host;
    if (!behaviour.stop) return true;
    const scope: Scope = { owner: this, isLive: true };
    this.#scope = scope;
    const stopped = inScope(scope, async () => behaviour.stop?.(state, reason, this.context)).then(
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

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get askSignal(): AbortSignal {
    return this.held.inHand?.unwanted ?? new AbortController().signal;
  }

  get isPaused(): boolean {
    return this.#host.isPaused;
  }

  get canAct(): boolean {
    return this.#scope.isLive;
  }

  watch(path: string, type: string): void {
    if (!this.#isActive()) return;
    const { receivers, remoteNodes, deathWatch } = this.runtime;
    const isRemote = isRemotePath(path);
    // Whether somebody lives elsewhere is found out there; here it is only a watch.
    deathWatch.watch(this, path, type, isRemote || (receivers.get(path)?.isAlive ?? false));
    if (isRemote) remoteNodes.watch(path);
  }

  unwatch(path: string): void {
    this.runtime.deathWatch.unwatch(this, path);
  }

  deliverTerminated(type: string, body: Terminated, guard: Guard): void {
    this.deliverNews({ type, body, ask: undefined, guard });
  }

  deliverNews(envelope: Envelope): void {
    this.#host.mailbox.push("lifecycle", envelope);
    this.wake();
  }

  subscribe(name: string, type: string): void {
    if (this.#isActive()) this.runtime.registry.subscribe(this, name, type);
  }

  unsubscribe(name: string): void {
    this.runtime.registry.unsubscribe(this, name);
  }

  after(delayMs: number, type: string, body: unknown): Timer {
    return this.#isActive() ? this.#timers.after(delayMs, type, body) : noTimer;
  }

  every(intervalMs: number, type: string, body: unknown): Timer {
    return this.#isActive() ? this.#timers.every(intervalMs, type, body) : noTimer;
  }

  run(work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#isActive()) this.callback(() => work(this.signal));
  }

  callback(work: () => unknown): void {
    if (!this.#scope.isLive) return;
    inScope(this.#scope, async () => work()).then(undefined, (thrown: unknown) => {
      const error = toError(thrown);
      if (!this.crash(error))
        this.log.debug({ err: error }, "background work failed after its end");
    });
  }

  defer(): Deferred {
    return this.held.defer();
  }

  setDegraded(reason: string | undefined): void {
    if (this.#isActive()) this.#host.setDegraded(reason);
  }

  hold(isHeld: boolean): void {
    this.#isHolding = isHeld;
    this.wake();
  }

  #isActive(): boolean {
    return this.isStarting || this.isRunning();
  }

  #tick(envelope: Envelope): void {
    const isControl = this.#host.behaviour.control.has(envelope.type);
    this.#host.mailbox.push(isControl ? "control" : "user", envelope);
    this.wake();
  }
}

const nothing = (): void => undefined;
const noTimer: Timer = { cancel: () => undefined };
