/** Restart intensity: at most `restarts` within any `withinMs`. Kept on the monotonic clock. */

export class IntensityWindow {
  readonly #restarts: number;
  readonly #withinMs: number;
  #spentAtMs: number[] = [];

  constructor(options: { readonly restarts: number; readonly withinMs: number }) {
    this.#restarts = options.restarts;
    this.#withinMs = options.withinMs;
  }

  /** Spends one restart. False when that is one too many (OTP: more than `restarts` within the period). */
  spend(nowMs: number): boolean {
    this.#spentAtMs = this.#spentAtMs.filter((atMs) => nowMs - atMs <= this.#withinMs);
    this.#spentAtMs.push(nowMs);
    if (this.#spentAtMs.length <= this.#restarts) return true;
    // Only the newest can still count; the list stays as short as the budget.
    this.#spentAtMs.shift();
    return false;
  }

  clear(): void {
    this.#spentAtMs = [];
  }
}
