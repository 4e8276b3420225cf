/** Growing, jittered delays between attempts to connect, so that a thousand clients do not come back at once. */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #attempts = 0;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /** Doubles from `minMs` up to `maxMs`, each between half and one and a half of itself. */
  nextMs(): number {
    const delayMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return delayMs * (0.5 + Math.random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
