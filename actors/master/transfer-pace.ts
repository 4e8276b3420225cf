/**
 * Whether a transfer brings enough to keep its turn while others wait for one. A sender that says just enough for ever would
 * hold its place for ever. Who gives way loses nothing: its session asks again, and the transfer goes on at its byte when its turn
 * comes. So a slow line is served as before where nobody waits, and by turns where somebody does. Kept by `transfer.ts`.
 */

/** Of a whole build, on average over the window: an old telephone line has half of that. */
const LEAST_BYTES_PER_SECOND = 8 * 1024;

export class TransferPace {
  readonly #windowMs: number;
  #startedAtMs: number;
  #bytes = 0;

  constructor(windowMs: number, nowMs: number) {
    this.#windowMs = windowMs;
    this.#startedAtMs = nowMs;
  }

  got(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Nothing is waited for but the master itself: that is not the sender's time. */
  rest(nowMs: number): void {
    this.#begin(nowMs);
  }

  /** To be asked from time to time. True at the end of a window that brought too little. */
  isTooSlow(nowMs: number): boolean {
    const passedMs = nowMs - this.#startedAtMs;
    if (passedMs < this.#windowMs) return false;
    const isSlow = this.#bytes * 1_000 < LEAST_BYTES_PER_SECOND * passedMs;
    this.#begin(nowMs);
    return isSlow;
  }

  #begin(nowMs: number): void {
    this.#startedAtMs = nowMs;
    this.#bytes = 0;
  }
}
