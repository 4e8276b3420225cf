/**
 * Growing delays with jitter before restarts and revivals. One per child (or per group, where siblings
 * restart together); asked by supervisors, who also say when the child was ready.
 */
import type { Random } from "./random.ts";

interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** After so long without a crash the next delay is the first one again. */
  readonly resetAfterMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempt = 0;
  #readyAtMs: number | undefined;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** The child is ready: health is counted from now. */
  ready(nowMs: number): void {
    this.#readyAtMs = nowMs;
  }

  /**
   * The delay before the next attempt, never outside `minMs`..`maxMs`: the n-th (from 0) is drawn from
   * the upper half of `min * 2^(n+1)`.
   */
  nextDelayMs(nowMs: number): number {
    const { minMs, maxMs, resetAfterMs } = this.#options;
    if (this.#readyAtMs !== undefined && nowMs - this.#readyAtMs >= resetAfterMs) this.#attempt = 0;
    this.#readyAtMs = undefined;
    // Beyond 2^30 the power would only lose precision; the cap has long been reached.
    const ceilingMs = Math.min(maxMs, minMs * 2 ** Math.min(30, this.#attempt + 1));
    this.#attempt += 1;
    return Math.max(minMs, ceilingMs * (0.5 + this.#random() / 2));
  }
}
