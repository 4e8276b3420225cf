/**
 * Handles messages for one incarnation, one at a time, in the turns that the dispatcher gives, and
 * answers what was asked. It neither starts nor ends the incarnation: a handler's error, and one that is
 * overdue, are handed to `owner`.
 */
import type { UntypedContext, UntypedHandler } from "./actor-definition.ts";
import { Refusal } from "./ask-error.ts";
import type { CancelTimer } from "./clock.ts";
import { toError } from "./exit-reason.ts";
import type { HeldAsks } from "./held-asks.ts";
import type { IncarnationHost } from "./incarnation-host.ts";
import type { Loop } from "./loop.ts";
import type { Envelope } from "./mailbox.ts";
import { SupervisionError } from "./supervision-error.ts";
import type { TraceEvent } from "./tracing.ts";

/** A turn ends after so many messages or so long, so that actors and sockets share the loop. */
const messagesPerTurn = 64;
const turnMs = 5;

interface Turn {
  readonly startedAtMs: number;
  taken: number;
  /** A question was taken since the mailbox was last found empty. */
  hasAnswered: boolean;
  isUsedUp: boolean;
}

/**
 * For a handler, or for the askers: who was answered often has the next question at once, as soon as his promise has called
 * him. To take that in the same turn saves a round of the event loop, which is most of what a quick ask costs.
 */
type Wait = Promise<void> | "askers";

/** Those who wait for an answer itself are called before whoever begins to wait for this. */
const settled = Promise.resolve();

/** All others have been called then, however many promises lie between. */
const afterPromises = (): Promise<void> =>
  new Promise((resolve) => {
    process.nextTick(resolve);
  });

/** The incarnation whose messages these are. */
export interface LoopOwner {
  readonly number: number;
  readonly context: UntypedContext;
  readonly held: HeldAsks;
  isRunning(): boolean;
  /** Whether user messages are to wait; see `ActorContext.hold`. */
  readonly isHolding: boolean;
  /** The state has been replaced: `stop` is to be given this one. */
  keepState(state: unknown): void;
  /** Asked before every message; true when the incarnation has ended itself and the turn is over. */
  endedItself(): boolean;
  /** False when it has ended already. */
  crash(error: Error): boolean;
  /** The handler in hand never settled; nobody waits for it any longer. */
  overdue(error: Error): void;
  wake(): void;
}

export class MessageLoop implements Loop {
  readonly #owner: LoopOwner;
  readonly #host: IncarnationHost;
  #state: unknown;
  #isBusy = false;
  #isInTurn = false;
  #busySinceMs = 0;
  #toldPaused = false;
  #becameIdle: () => void = nothing;

  constructor(owner: LoopOwner, host: IncarnationHost, state: unknown) {
    this.#owner = owner;
    this.#host = host;
    this.#state = state;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** How long the message in hand has been in hand. */
  get busyMs(): number {
    return this.#isBusy ? performance.now() - this.#busySinceMs : 0;
  }

  /** Settles when no handler runs: at once, or when the one in hand has settled. */
  idle(): Promise<void> {
    if (!this.#isBusy) return Promise.resolve();
    return new Promise((resolve) => {
      this.#becameIdle = resolve;
    });
  }

  get willLook(): boolean {
    return this.#isInTurn;
  }

  /** A promise only where something is waited for: a turn without one costs none. */
  turn(): Promise<void> | undefined {
    if (this.#isInTurn) return undefined;
    const startedAtMs = performance.now();
    this.#busySinceMs = startedAtMs;
    this.#host.runtime.gauges.recentMs = Math.trunc(startedAtMs);
    const turn = { startedAtMs, taken: 0, hasAnswered: false, isUsedUp: false };
    this.#isInTurn = true;
    let wait: Wait | undefined;
    try {
      wait = this.#goOn(turn);
    } finally {
      if (wait === undefined) this.#endTurn(turn);
    }
    return wait && this.#goOnAfter(wait, turn);
  }

  async #goOnAfter(first: Wait, turn: Turn): Promise<void> {
    try {
      for (let wait: Wait | undefined = first; wait; wait = this.#goOn(turn)) {
        if (wait === "askers") {
          await settled;
          if (this.#host.mailbox.depth === 0) await afterPromises();
        } else {
          await wait;
          turn.taken += 1;
        }
        if (this.#isUsedUp(turn)) return;
      }
    } finally {
      this.#endTurn(turn);
    }
  }

  /** Until the turn is over, or something is to be waited for. */
  #goOn(turn: Turn): Wait | undefined {
    while (this.#owner.isRunning()) {
      if (this.#owner.endedItself()) return undefined;
      this.#answerCalls();
      const wait = this.#tellPaused() ?? this.#handleNext(turn);
      if (wait === "nothing") {
        if (!turn.hasAnswered) return undefined;
        turn.hasAnswered = false;
        return "askers";
      }
      if (wait !== "done") return wait;
      turn.taken += 1;
      if (this.#isUsedUp(turn)) return undefined;
    }
    return undefined;
  }

  #endTurn(turn: Turn): void {
    this.#isInTurn = false;
    if (turn.isUsedUp) this.#owner.wake();
  }

  /** Looks at the clock; another turn is asked for where this one has had its share. */
  #isUsedUp(turn: Turn): boolean {
    const nowMs = performance.now();
    this.#busySinceMs = nowMs;
    this.#host.runtime.gauges.recentMs = Math.trunc(nowMs);
    turn.isUsedUp = turn.taken >= messagesPerTurn || nowMs - turn.startedAtMs > turnMs;
    return turn.isUsedUp;
  }

  /** PAUSE and RESUME come before any message; saying both between two turns is as saying nothing. */
  #tellPaused(): Promise<void> | "done" | undefined {
    const { behaviour, isPaused } = this.#host;
    if (this.#toldPaused === isPaused) return undefined;
    this.#toldPaused = isPaused;
    const type = isPaused ? "PAUSE" : "RESUME";
    const envelope = { type, body: undefined, ask: undefined, guard: undefined };
    return this.#call(envelope, (state, _body, context) =>
      behaviour.pauseChanged?.(state, isPaused, context),
    );
  }

  #answerCalls(): void {
    const { mailbox } = this.#host;
    for (let call = mailbox.takeCall(); call; call = mailbox.takeCall()) {
      call.run(this.#state, (state) => {
        this.#state = state;
        this.#owner.keepState(state);
      });
    }
  }

  #handleNext(turn: Turn): Promise<void> | "done" | "nothing" {
    const { behaviour, mailbox, isPaused } = this.#host;
    const envelope = mailbox.take(
      !(isPaused && behaviour.pause === "park") && !this.#owner.isHolding,
    );
    if (!envelope) return "nothing";
    const { type, ask, guard } = envelope;
    const verdict = guard?.admit(this.#owner.number) ?? "take";
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
    if (ask) turn.hasAnswered = true;
    return this.#call(envelope, handler);
  }

  #call(envelope: Envelope, handler: UntypedHandler): Promise<void> | "done" {
    this.#isBusy = true;
    this.#owner.held.take(envelope.ask);
    this.#trace("in", envelope.type, envelope.body);
    let result: unknown;
    try {
      result = handler(this.#state, envelope.body, this.#owner.context);
    } catch (thrown) {
      this.#failed(envelope, thrown);
      return "done";
    }
    if (isThenable(result)) return this.#settle(envelope, result);
    this.#answer(envelope, result);
    return "done";
  }

  async #settle(envelope: Envelope, result: PromiseLike<unknown>): Promise<void> {
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
    const isDeferred = this.#owner.held.release(result);
    this.#becameIdle();
    this.#trace("out", type, isDeferred ? "(later)" : result);
    if (ask && !isDeferred && !ask.answer(result)) this.#deadLetter(type, "late-reply");
  }

  #failed({ type, ask }: Envelope, thrown: unknown): void {
    const { log } = this.#host;
    const error = toError(thrown);
    this.#isBusy = false;
    this.#owner.held.release(undefined);
    this.#becameIdle();
    if (error instanceof Refusal) {
      this.#trace("out", type, error);
      if (!ask) log.warn({ err: error, type }, "refused a message that nobody asked with");
      else if (!ask.refuse(error)) this.#deadLetter(type, "late-reply");
      return;
    }
    this.#trace("crash", type, error);
    ask?.fail(this.#owner.isRunning() ? "crashed" : "dead", error.message, error);
    if (!this.#owner.crash(error))
      log.debug({ err: error, type }, "a handler failed after its end");
  }

  /** Warns at half the time; at the end of it the handler is overdue. */
  #armWatchdog(type: string): CancelTimer {
    const { behaviour, runtime, log, path } = this.#host;
    const timeoutMs = behaviour.handlerTimeoutMs;
    if (timeoutMs === 0) return () => undefined;
    const halfMs = timeoutMs / 2;
    let cancel = runtime.clock.setTimer(halfMs, () => {
      if (!this.#owner.isRunning()) return;
      log.warn({ type, forMs: halfMs }, "a handler is slow");
      cancel = runtime.clock.setTimer(halfMs, () => {
        if (!this.#owner.isRunning()) return;
        const message = `${path}: ${type} not handled within ${timeoutMs} ms`;
        const error = new SupervisionError("handler-timeout", message);
        this.#trace("crash", type, error);
        this.#owner.overdue(error);
      });
    });
    return () => cancel();
  }

  #trace(direction: TraceEvent["direction"], type: string, body: unknown): void {
    const { runtime, id, path } = this.#host;
    if (!runtime.tracer.isActive) return;
    const { number: incarnation } = this.#owner;
    runtime.tracer.emit(id, { direction, path, incarnation, type, body });
  }

  #deadLetter(type: string, reason: "stale-incarnation" | "expired" | "unhandled" | "late-reply") {
    this.#host.runtime.undelivered.record(this.#host.path, type, reason);
  }
}

const nothing = (): void => undefined;

/** Also what only behaves like a promise, as subprocess and query objects do. */
function isThenable(result: unknown): result is PromiseLike<unknown> {
  if (result instanceof Promise) return true;
  if (typeof result !== "object" || result === null) return false;
  return "then" in result && typeof result.then === "function";
}
