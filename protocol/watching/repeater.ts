/**
 * One piece of work, done now and then and never twice at once: a wish that comes while it runs is done after it. Between
 * two runs there is a pause, which grows while the work fails.
 */
export interface RepeaterOptions {
  work(): Promise<void>;
  readonly pauseMs: { readonly min: number; readonly max: number };
}

export class Repeater {
  readonly #options: RepeaterOptions;
  #isRunning = false;
  #isWanted = false;
  #isStopped = false;
  #failures = 0;
  #everyMs: number | null = null;
  /** When the last run ended (monotonic ms). */
  #endedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepeaterOptions) {
    this.#options = options;
  }

  /** As soon as the pause lets. */
  now(): void {
    this.#isWanted = true;
    this.#schedule();
  }

  /** And so often by itself, counted from the end of the last run; null: not by itself. */
  every(ms: number | null): void {
    if (ms === this.#everyMs) return;
    this.#everyMs = ms;
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped || this.#isRunning) return;
    const { min, max } = this.#options.pauseMs;
    const pauseMs = Math.min(max, min * 2 ** Math.min(this.#failures, 10));
    const wait = this.#isWanted ? pauseMs : this.#everyMs;
    if (wait === null) return;
    const leftMs = this.#endedMs + Math.max(wait, pauseMs) - performance.now();
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, leftMs));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#isWanted = false;
    try {
      await this.#options.work();
      this.#failures = 0;
    } catch {
      // The master is away, or slow: it is asked again.
      this.#failures += 1;
      this.#isWanted = true;
    } finally {
      this.#isRunning = false;
      this.#endedMs = performance.now();
      this.#schedule();
    }
  }
}
