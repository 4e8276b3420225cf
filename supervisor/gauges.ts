/**
 * What one system has counted since its start, and the time as of the last look at the clock. Cells and
 * loops write here on their way; `statistics.ts` reads it.
 */
export class Gauges {
  /**
   * `performance.now()` as a whole number, as of the last turn of any actor or the last message that found
   * its mailbox empty: near enough for the age of a message, and free to read.
   */
  recentMs = 0;
  incarnations = 0;
  handled = 0;
  restarts = 0;
  dropped = 0;
  rejected = 0;

  /** Looks at the clock. */
  look(): number {
    this.recentMs = Math.trunc(performance.now());
    return this.recentMs;
  }
}
