/**
 * When the messages of a lane came, in the order in which they leave it: runs of equal times instead of a
 * time per message, so that a flood costs next to nothing. Kept by `mailbox.ts`, for `mailboxAgeMs`.
 */
import { Fifo } from "./fifo.ts";

interface Run {
  readonly atMs: number;
  count: number;
}

export class Arrivals {
  readonly #later = new Fifo<Run>();
  #first: Run | undefined;
  #last: Run | undefined;

  /** Of the next message to leave. */
  get oldestAtMs(): number | undefined {
    return this.#first?.atMs;
  }

  /** One has come, after all others. */
  came(atMs: number): void {
    if (this.#last?.atMs === atMs) {
      this.#last.count += 1;
      return;
    }
    this.#last = { atMs, count: 1 };
    if (this.#first) this.#later.push(this.#last);
    else this.#first = this.#last;
  }

  /** Some have come back, before all others; when they first came is no longer known. */
  cameBack(count: number, atMs: number): void {
    if (this.#first) this.#first.count += count;
    else if (count > 0) this.#first = this.#last = { atMs, count };
  }

  /** The first has left. */
  left(): void {
    if (!this.#first) return;
    this.#first.count -= 1;
    if (this.#first.count > 0) return;
    this.#first = this.#later.shift();
    if (!this.#first) this.#last = undefined;
  }
}
