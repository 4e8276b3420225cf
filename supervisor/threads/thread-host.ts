/**
 * The cell of an actor in its thread: what an `Incarnation` lives in there. The incarnation, its message
 * loop, its timers and its watchdog are those of any actor; only the cell differs, since mailbox, restarts
 * and place in the tree are the parent's.
 */
import {
  type Behaviour,
  behaviourOf,
  type UntypedContext,
  type UntypedHandler,
} from "../actor-definition.ts";
import { PendingAsk } from "../ask.ts";
import { Refusal } from "../ask-error.ts";
import type { AnyDefinition } from "../child-spec.ts";
import type { ExitReason } from "../exit-reason.ts";
import { Incarnation } from "../incarnation.ts";
import type { IncarnationHost } from "../incarnation-host.ts";
import type { Logger } from "../logger.ts";
import { type Guard, type Lane, Mailbox } from "../mailbox.ts";
import { getState } from "../state-call.ts";
import type { Outbox } from "./outbox.ts";
import type { ThreadStart, ToThread } from "./packet.ts";
import { fromPlainReason, toPlainError, toPlainReason } from "./plain-error.ts";
import type { SharedState } from "./shared-state.ts";
import type { ThreadRuntime } from "./thread-runtime.ts";

/** Before a handler that is known to take longer than this, or not known, what waits is said first. */
const quickMs = 1;

export class ThreadHost implements IncarnationHost {
  readonly runtime: ThreadRuntime;
  readonly id: string;
  readonly path: string;
  readonly behaviour: Behaviour;
  readonly mailbox: Mailbox;
  readonly log: Logger;
  /** The parent watches over the start. */
  readonly startMs = Number.POSITIVE_INFINITY;
  readonly isOpen = true;
  isPaused = false;
  shutdownMs: number;
  readonly #outbox: Outbox;
  readonly #shared: SharedState;
  readonly #incarnation: Incarnation;
  readonly #asks = new Map<number, PendingAsk>();
  /** The longest that a handler has taken, by type. */
  readonly #longestMs = new Map<string, number>();
  /** Of the message whose handler is called next, or runs. */
  #slot: number | undefined;
  #hasEnded = false;

  constructor(
    start: ThreadStart,
    definition: AnyDefinition,
    runtime: ThreadRuntime,
    outbox: Outbox,
    shared: SharedState,
  ) {
    this.runtime = runtime;
    this.#outbox = outbox;
    this.#shared = shared;
    this.path = start.path;
    this.id = start.path.slice(start.path.lastIndexOf("/") + 1);
    this.log = runtime.logger;
    this.shutdownMs = start.shutdownMs;
    this.behaviour = this.#observed(behaviourOf(definition));
    // Bounds are the parent's to keep.
    this.mailbox = new Mailbox(Infinity, "reject", runtime.gauges, () => undefined);
    this.#incarnation = new Incarnation(this, start.incarnation);
  }

  async start(args: unknown): Promise<void> {
    const { name, pause, bound, overflow, control, handlerTimeoutMs } = this.behaviour;
    const traits = { name, pause, bound, overflow, control: [...control], handlerTimeoutMs };
    try {
      const outcome = await this.#incarnation.start(args);
      this.#outbox.started(outcome === "ready" ? { kind: "ready", traits } : { kind: "ignored" });
    } catch (thrown) {
      this.#outbox.started({ kind: "failed", error: toPlainError(thrown) });
    }
    this.#outbox.flush();
  }

  /** Something went wrong in this thread that no handler caught; all code here is the actor's. */
  crash(error: Error): void {
    if (this.#incarnation.crash(error)) return;
    this.log.warn({ err: error }, "an ended actor left an error behind");
  }

  received(packet: ToThread): void {
    if (packet.paused !== undefined) this.isPaused = packet.paused;
    if (packet.messages) this.#queue(packet.messages);
    for (const id of packet.states ?? []) this.#showState(id);
    for (const id of packet.givenUp ?? []) this.#giveUp(id);
    for (const { path, incarnation, reason } of packet.ends ?? []) {
      this.runtime.deathWatch.terminated(path, incarnation, fromPlainReason(reason));
    }
    if (packet.heard) this.#outbox.heard(packet.heard);
    if (packet.answers) this.runtime.answered(packet.answers);
    if (packet.close) this.#close(fromPlainReason(packet.close));
    else this.#incarnation.wake();
  }

  // ---- messages -------------------------------------------------------------------------------

  #queue(messages: readonly unknown[]): void {
    for (let at = 0; at < messages.length; at += 4) {
      const slot = messages[at] as number;
      const id = messages[at + 1] as number;
      const type = messages[at + 2] as string;
      const body = messages[at + 3];
      const ask = id === 0 ? undefined : this.#ask(id, type);
      const lane = this.behaviour.control.has(type) ? "control" : "user";
      this.mailbox.push(lane, { type, body, ask, guard: this.#guard(slot, id, type, lane) });
    }
  }

  /** Claims the message at the last moment: its parent may have taken it back. */
  #guard(slot: number, id: number, type: string, lane: Lane): Guard {
    return {
      admit: () => {
        const isOurs = this.#shared.begin(slot, lane === "user");
        const isGivenUp = this.#asks.get(id)?.isSettled === true;
        const isHandled = isOurs && !isGivenUp && this.behaviour.handlers.has(type);
        if (!isOurs) this.#asks.delete(id);
        if (isHandled) this.#slot = slot;
        else this.#outbox.done(slot);
        return isOurs ? "take" : "drop";
      },
    };
  }

  #ask(id: number, type: string): PendingAsk {
    // Its deadline is the parent's, who says when it is over.
    const ask = new PendingAsk(this.runtime.clock, this.path, type, { timeoutMs: Infinity });
    this.#asks.set(id, ask);
    const settled = (outcome: "value" | "error", value: unknown) => {
      this.#asks.delete(id);
      if (ask.wasGivenUp) this.#outbox.answer(id, "gone", undefined);
      else this.#outbox.answer(id, outcome, value);
    };
    ask.promise.then(
      (value) => settled("value", value),
      (thrown: unknown) => settled("error", toPlainError(thrown)),
    );
    return ask;
  }

  #showState(id: number): void {
    const options = { timeoutMs: Infinity };
    const call = getState(this.runtime.clock, this.path, this.behaviour.snapshot, options);
    this.mailbox.pushCall(call);
    call.promise.then(
      (state) => this.#outbox.answer(id, "value", state),
      (thrown: unknown) => this.#outbox.answer(id, "error", toPlainError(thrown)),
    );
  }

  #giveUp(id: number): void {
    this.#asks.get(id)?.giveUp("the asker gave up");
  }

  /** The behaviour, with every handler's begin and end made known to the parent. */
  #observed(inner: Behaviour): Behaviour {
    const handlers = [...inner.handlers].map(
      ([type, handler]) => [type, this.#observedHandler(type, handler)] as const,
    );
    return { ...inner, handlers: new Map(handlers) };
  }

  #observedHandler(type: string, handler: UntypedHandler): UntypedHandler {
    return (state: unknown, body: unknown, ctx: UntypedContext) => {
      const slot = this.#slot;
      this.#slot = undefined;
      const isQuick = (this.#longestMs.get(type) ?? Infinity) <= quickMs;
      if (!isQuick) this.#outbox.flush();
      const beganAtMs = performance.now();
      this.#shared.handling(beganAtMs);
      const through = () => {
        this.#shared.idle();
        const tookMs = performance.now() - beganAtMs;
        if (tookMs > (this.#longestMs.get(type) ?? -1)) this.#longestMs.set(type, tookMs);
        this.#outbox.handled();
        if (slot !== undefined) this.#outbox.done(slot);
      };
      /** The slot of a message that ends its incarnation stays taken: that is how the parent knows it. */
      const threw = (thrown: unknown) => {
        if (thrown instanceof Refusal || slot === undefined) through();
        else this.#shared.idle();
      };
      let result: unknown;
      try {
        result = handler(state, body, ctx);
      } catch (thrown) {
        threw(thrown);
        throw thrown;
      }
      if (!isThenable(result)) {
        through();
        return result;
      }
      return result.then(
        (value: unknown) => {
          through();
          return value;
        },
        (thrown: unknown) => {
          threw(thrown);
          throw thrown;
        },
      );
    };
  }

  // ---- as the host of an incarnation ----------------------------------------------------------

  /** Counted where a handler is through. */
  countHandled(): void {}

  setDegraded(reason: string | undefined): void {
    this.#outbox.say(["degraded", reason]);
  }

  /** Said by `start`. */
  started(): void {}

  exited(_incarnation: number, reason: ExitReason): void {
    this.#ended(reason);
  }

  #close(reason: ExitReason): void {
    // Its deadline is the parent's, who ends the thread when it is over.
    this.shutdownMs = Number.POSITIVE_INFINITY;
    this.#outbox.say(["closing"]);
    void this.#incarnation.close(reason).then((final) => this.#ended(final));
  }

  #ended(reason: ExitReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // The last answers are settled, but whoever carries them here has not run yet.
    setImmediate(() => this.#outbox.ended(toPlainReason(reason)));
  }
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  if (typeof result !== "object" || result === null) return false;
  return "then" in result && typeof result.then === "function";
}
