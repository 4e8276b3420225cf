/** The questions that a thread owes an answer: under way to it, in its hand, or put off there. */
import type { PendingAsk } from "../ask.ts";
import type { AskErrorCode } from "../ask-error.ts";
import type { Outcome } from "./packet.ts";

interface OpenAsk {
  readonly type: string;
  readonly ask: PendingAsk;
}

export class ThreadAsks {
  readonly #open = new Map<number, OpenAsk>();
  readonly #tellGivenUp: (ids: number[]) => void;
  readonly #onLate: (type: string) => void;
  #lastId = 0;
  #givenUp: number[] = [];

  /** `onLate`: an answer came that nobody waits for any more. */
  constructor(tellGivenUp: (ids: number[]) => void, onLate: (type: string) => void) {
    this.#tellGivenUp = tellGivenUp;
    this.#onLate = onLate;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Names a question for the thread. Never 0. */
  open(type: string, ask: PendingAsk): number {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#open.set(id, { type, ask });
    // The entry stays until the thread has said that it knows: an answer may be on its way.
    ask.onGivenUp = () => this.#gaveUp(id);
    return id;
  }

  /** Gives the asker what the thread said; the question's type, where it was still open there. */
  settle(id: number, outcome: Outcome, value: unknown): string | undefined {
    const open = this.#open.get(id);
    if (!open) return undefined;
    this.#open.delete(id);
    if (outcome === "gone") return undefined;
    const { ask, type } = open;
    const isInTime = outcome === "value" ? ask.answer(value) : ask.refuse(value as Error);
    if (!isInTime) this.#onLate(type);
    return type;
  }

  /** The question went back to the mailbox: it is no longer the thread's. */
  forget(id: number): void {
    const open = this.#open.get(id);
    if (!open) return;
    open.ask.onGivenUp = undefined;
    this.#open.delete(id);
  }

  failAll(code: AskErrorCode, why: string, cause?: Error): void {
    for (const { ask } of this.#open.values()) ask.fail(code, why, cause);
    this.#open.clear();
  }

  #gaveUp(id: number): void {
    if (!this.#open.has(id)) return;
    if (this.#givenUp.length === 0) setImmediate(() => this.#tellGivenUp(this.#givenUp.splice(0)));
    this.#givenUp.push(id);
  }
}
