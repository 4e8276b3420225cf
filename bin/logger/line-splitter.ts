/** Cuts what is read into lines: latin1, a character a byte, without their ends. Bounded, whatever comes. */

/** Servers cut their lines long before; what is longer is no line of a log. */
export const MAX_LINE_BYTES = 64 * 1024;

const NEWLINE = 10;

export class LineSplitter {
  readonly #take: (line: string) => void;
  readonly #tooLong: () => void;
  /** The beginning of a line whose end has not come. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Of a line that is too long: skipped up to its end. */
  #isSkipping = false;

  constructor(take: (line: string) => void, tooLong: () => void) {
    this.#take = take;
    this.#tooLong = tooLong;
  }

  push(chunk: Buffer): void {
    let from = 0;
    const first = chunk.indexOf(NEWLINE);
    if (first === -1) {
      this.#keep(chunk);
      return;
    }
    if (this.#isSkipping || this.#restBytes > 0) {
      this.#keep(chunk.subarray(0, first));
      this.end();
      from = first + 1;
    }
    const last = chunk.lastIndexOf(NEWLINE);
    if (from <= last) this.#cut(chunk.toString("latin1", from, last));
    if (last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
  }

  /** The last line may have no end. */
  end(): void {
    const rest = Buffer.concat(this.#rest, this.#restBytes);
    const isSkipping = this.#isSkipping;
    this.#rest = [];
    this.#restBytes = 0;
    this.#isSkipping = false;
    if (isSkipping) this.#tooLong();
    else if (rest.length > 0) this.#line(rest.toString("latin1"));
  }

  /** Whole lines in one text: one conversion for all of them. */
  #cut(text: string): void {
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      this.#line(text.slice(from, end));
      from = end + 1;
    }
    this.#line(text.slice(from));
  }

  #line(line: string): void {
    if (line.length > MAX_LINE_BYTES) this.#tooLong();
    else {
      const text = line.endsWith("\r") ? line.slice(0, -1) : line;
      if (text !== "") this.#take(text);
    }
  }

  #keep(piece: Buffer): void {
    if (this.#isSkipping || piece.length === 0) return;
    if (this.#restBytes + piece.length > MAX_LINE_BYTES) {
      this.#rest = [];
      this.#restBytes = 0;
      this.#isSkipping = true;
      return;
    }
    // A copy: the reader may use its buffer again.
    this.#rest.push(Buffer.from(piece));
    this.#restBytes += piece.length;
  }
}
