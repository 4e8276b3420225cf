/**
 * The questions that one incarnation owes an answer: the one in hand, and those that it has put off with
 * `ctx.defer()`. When the incarnation ends, all of them are rejected at once.
 */
import type { Deferred } from "./actor-context.ts";
import type { PendingAsk } from "./ask.ts";
import { type AskErrorCode, Refusal } from "./ask-error.ts";

/** What `ctx.defer()` gives; a handler returns it to say that the answer comes later. */
export class DeferredReply implements Deferred {
  readonly #ask: PendingAsk | undefined;
  readonly #onSettled: (reply: DeferredReply, wasLate: boolean) => void;
  #isSettled = false;

  constructor(
    ask: PendingAsk | undefined,
    onSettled: (reply: DeferredReply, wasLate: boolean) => void,
  ) {
    this.#ask = ask;
    this.#onSettled = onSettled;
  }

  /** Nobody waits: it was told, or the asker has gone. */
  get isIdle(): boolean {
    return this.#ask?.isSettled ?? true;
  }

  get signal(): AbortSignal {
    return this.#ask?.unwanted ?? new AbortController().signal;
  }

  resolve(value: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#onSettled(this, this.#ask?.answer(value) === false);
  }

  reject(error: Error): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const isAnswered =
      error instanceof Refusal
        ? this.#ask?.refuse(error)
        : this.#ask?.fail("failed", error.message, error);
    this.#onSettled(this, isAnswered === false);
  }

  /** The runtime ends it: the incarnation is over. What its code says later is ignored. */
  drop(code: AskErrorCode, why: string, cause: Error | undefined): void {
    this.#isSettled = true;
    this.#ask?.fail(code, why, cause);
  }
}

export class HeldAsks {
  readonly #onLate: () => void;
  readonly #deferred = new Set<DeferredReply>();
  #inHand: PendingAsk | undefined;
  #takenOver: DeferredReply | undefined;
  /** Deferred replies whose asker gave up are swept when there are so many. */
  #sweepAt = 64;

  constructor(onLate: () => void) {
    this.#onLate = onLate;
  }

  get inHand(): PendingAsk | undefined {
    return this.#inHand;
  }

  take(ask: PendingAsk | undefined): void {
    this.#inHand = ask;
    this.#takenOver = undefined;
  }

  /** The handler has returned: whether its result is no answer because the answer comes later. */
  release(result: unknown): boolean {
    this.#inHand = undefined;
    if (result instanceof DeferredReply) return true;
    if (this.#takenOver) this.#deferred.delete(this.#takenOver);
    return false;
  }

  defer(): DeferredReply {
    const reply = new DeferredReply(this.#inHand, (settled, wasLate) => {
      this.#deferred.delete(settled);
      if (wasLate) this.#onLate();
    });
    if (this.#inHand) {
      this.#sweep();
      this.#deferred.add(reply);
      this.#takenOver = reply;
    }
    return reply;
  }

  rejectAll(code: AskErrorCode, why: string, cause?: Error): void {
    this.#inHand?.fail(code, why, cause);
    for (const reply of this.#deferred) reply.drop(code, why, cause);
    this.#deferred.clear();
  }

  #sweep(): void {
    if (this.#deferred.size < this.#sweepAt) return;
    for (const reply of this.#deferred) if (reply.isIdle) this.#deferred.delete(reply);
    this.#sweepAt = Math.max(64, this.#deferred.size * 2);
  }
}
