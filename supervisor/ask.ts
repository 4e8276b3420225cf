/**
 * One question between its asking and its end. The asker holds the promise, the callee's mailbox holds
 * the question; whoever is first settles it: answer, error, deadline, abort, the callee's end.
 */
import { setMaxListeners } from "node:events";
import type { AskOptions } from "./actor-ref.ts";
import { AskError } from "./ask-error.ts";
import type { CancelTimer, Clock } from "./clock.ts";

const defaultTimeoutMs = 5_000;

export class PendingAsk {
  readonly promise: Promise<unknown>;
  readonly #what: string;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;
  #isSettled = false;
  #cancelTimer: CancelTimer | undefined;
  #askerSignal: AbortSignal | undefined;
  #unwanted: AbortController | undefined;

  constructor(clock: Clock, path: string, type: string, options: AskOptions | undefined) {
    this.#what = `${type} to ${path}`;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const signal = options?.signal;
    if (signal?.aborted) {
      this.#settle();
      this.#reject(this.#aborted(signal));
      return;
    }
    const timeoutMs = options?.timeoutMs ?? defaultTimeoutMs;
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#cancelTimer = clock.setTimer(timeoutMs, () =>
        this.#giveUp(new AskError("timeout", `${this.#what}: no answer within ${timeoutMs} ms`)),
      );
    }
    if (signal) {
      this.#askerSignal = signal;
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Aborted when the asker waits no longer. Made only when somebody looks. */
  get unwanted(): AbortSignal {
    if (!this.#unwanted) {
      this.#unwanted = new AbortController();
      setMaxListeners(0, this.#unwanted.signal);
      if (this.#isSettled) this.#unwanted.abort();
    }
    return this.#unwanted.signal;
  }

  /** False when nobody waits any more: the answer is a dead letter. */
  answer(value: unknown): boolean {
    if (!this.#settle()) return false;
    this.#resolve(value);
    return true;
  }

  refuse(error: Error): boolean {
    if (!this.#settle()) return false;
    this.#reject(error);
    return true;
  }

  /** The runtime's own no. */
  fail(code: AskError["code"], why: string, cause?: Error): boolean {
    const options = cause === undefined ? undefined : { cause };
    return this.refuse(new AskError(code, `${this.#what}: ${why}`, options));
  }

  readonly #onAbort = (): void => {
    if (this.#askerSignal) this.#giveUp(this.#aborted(this.#askerSignal));
  };

  #aborted(signal: AbortSignal): AskError {
    return new AskError("aborted", `${this.#what}: the asker gave up`, { cause: signal.reason });
  }

  #giveUp(error: AskError): void {
    if (!this.refuse(error)) return;
    this.#unwanted?.abort(error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#cancelTimer?.();
    this.#askerSignal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}
