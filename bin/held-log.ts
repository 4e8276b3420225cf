/** Lines of a program's log that wait until its screen is gone: those who draw on a terminal cannot have others write there. */

/** The last ones count. */
const MOST_LINES = 100;

export class HeldLog {
  readonly #stream: { write(line: string): unknown; readonly isTTY?: boolean };
  #held: string[] = [];
  #isReleased = false;

  constructor(stream: { write(line: string): unknown; readonly isTTY?: boolean }) {
    this.#stream = stream;
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  write(line: string): void {
    if (this.#isReleased) this.#stream.write(line);
    else this.#held = [...this.#held, line].slice(-MOST_LINES);
  }

  /** Writes what has waited; from now on nothing waits. */
  release(): void {
    this.#isReleased = true;
    for (const line of this.#held.splice(0)) this.#stream.write(line);
  }
}
