/**
 * One question between its asking and its end. The asker holds the promise, the callee's mailbox holds
 * the question; whoever is first settles it: answer, error, deadline, abort, the callee's end.
 */
import { setMaxListeners } from "node:events";
import type { AskOptions } from "./actor-ref.ts";
import { AskError } from "./ask-error.ts";
import type { Clock } from "./clock.ts";
import { type Deadline, type Due, setDeadline } from "./deadlines.ts";
import type { Checked } from "./endpoint.ts";

const defaultTimeoutMs = 5_000;

export class PendingAsk implements Due {
  readonly promise: Promise<unknown>;
  /** How long the asker waits; `Infinity` for as long as the callee lives. */
  readonly timeoutMs: number;
  /** Set where the answer comes over a border: one that does not pass is no answer. */
  checkAnswer: ((value: unknown) => Checked<unknown>) | undefined;
  /** Called when the asker waits no longer, by its deadline or its signal. */
  onGivenUp: (() => void) | undefined;
  readonly #path: string;
  readonly #type: string;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;
  #isSettled = false;
  #wasGivenUp = false;
  #deadline: Deadline | undefined;
  #askerSignal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  #unwanted: AbortController | undefined;

  constructor(clock: Clock, path: string, type: string, options: AskOptions | undefined) {
    this.#path = path;
    this.#type = type;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const timeoutMs = options?.timeoutMs ?? defaultTimeoutMs;
    this.timeoutMs = timeoutMs;
    const signal = options?.signal;
    if (signal?.aborted) {
      this.#settle();
      this.#reject(this.#aborted(signal));
      return;
    }
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#deadline = setDeadline(clock, timeoutMs, this);
    }
    if (signal) {
      this.#askerSignal = signal;
      this.#onAbort = () => this.#giveUp(this.#aborted(signal));
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether the asker went before there was an answer. */
  get wasGivenUp(): boolean {
    return this.#wasGivenUp;
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
    const checked = this.checkAnswer?.(value);
    if (checked === undefined) this.#resolve(value);
    else if (checked.ok) this.#resolve(checked.value);
    else this.#reject(new AskError("failed", `${this.#what}: not an answer: ${checked.reason}`));
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

  /** The asker, who is on another node, waits no longer. */
  giveUp(why: string): void {
    this.#giveUp(new AskError("aborted", `${this.#what}: ${why}`));
  }

  deadlinePassed(): void {
    this.#giveUp(new AskError("timeout", `${this.#what}: no answer within ${this.timeoutMs} ms`));
  }

  /** Put together only when somebody is to read it. */
  get #what(): string {
    return `${this.#type} to ${this.#path}`;
  }

  #aborted(signal: AbortSignal): AskError {
    return new AskError("aborted", `${this.#what}: the asker gave up`, { cause: signal.reason });
  }

  #giveUp(error: AskError): void {
    if (!this.refuse(error)) return;
    this.#wasGivenUp = true;
    this.#unwanted?.abort(error);
    this.onGivenUp?.();
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#deadline?.cancel();
    if (this.#onAbort) this.#askerSignal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}
