/**
 * What one end of a session takes in: which messages it has seen, which of them its owner has not yet
 * taken, and how many more it lets the other side send. So a flooding peer fills its own window and nobody else's.
 * Used by both sides for each session.
 */

/** Messages that one peer may have under way and untaken. */
export const DEFAULT_WINDOW = 1_024;
export const LARGEST_WINDOW = 1_000_000;

export class Inflow {
  readonly #window: number;
  /** All up to this number have come, or are lost. */
  #seen = 0;
  #untaken = 0;
  #told: number;

  constructor(window: number) {
    this.#window = window;
    this.#told = window;
  }

  /**
   * A frame of `count` messages came, whose first has this number (for none: the number that the next will have). Says how many
   * were lost before it, or undefined where they were seen or given up before.
   */
  arrive(sequence: number, count: number): number | undefined {
    const lost = sequence - 1 - this.#seen;
    if (lost < 0) return count === 0 ? 0 : undefined;
    this.#seen += lost + count;
    return lost;
  }

  /** One message goes to the owner. False where the other side had no credit for it. */
  admit(): boolean {
    if (this.#untaken >= this.#window) return false;
    this.#untaken += 1;
    return true;
  }

  /** The owner has taken one. */
  taken(): void {
    this.#untaken -= 1;
  }

  /** The number of the last message that may be sent; believed to be told once it was asked for. */
  takeCredit(): number {
    this.#told = this.#credit();
    return this.#told;
  }

  /** Half a window is free that the other side does not know of. */
  isWorthTelling(): boolean {
    return (this.#credit() - this.#told) * 2 >= this.#window;
  }

  #credit(): number {
    return this.#seen - this.#untaken + this.#window;
  }
}
