/**
 * A log that a build has finished, as a file: its first part, a line that says how much was cut out, its last
 * part. This reads such a file by positions of what the build has said (build-log.ts). The slave reads so what lies
 * in its outbox, File Juggler what is in its place.
 *
 * The first such line is the cut: the slave's log changes what a build says that looks like one.
 */
import type { LogPart } from "./build-log.ts";

/** Stands in a finished log where its middle was cut out. */
export const cutLine = (bytes: number): string => `\n[... ${bytes} bytes cut here ...]\n`;

const CUT_START = Buffer.from("\n[... ");
const CUT = /^\n\[\.\.\. (\d{1,15}) bytes cut here \.\.\.\]\n/;
const LONGEST_CUT_LINE = cutLine(999_999_999_999_999).length;

interface Piece {
  readonly position: number;
  readonly data: Buffer;
}

/** The bytes of a finished log with their positions; the line of the cut is not one of them. */
async function* piecesOf(file: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  let position = 0;
  let held: Buffer = Buffer.alloc(0);
  let isAfterCut = false;
  for await (const chunk of file) {
    let data = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    held = Buffer.alloc(0);
    for (let from = 0; !isAfterCut; ) {
      const at = data.indexOf(CUT_START, from);
      // A line break near the end may be the start of the line.
      const start = at === -1 ? lastPossibleStart(data, from) : at;
      if (start === -1) break;
      const line = data.toString("latin1", start, start + LONGEST_CUT_LINE);
      const cut = CUT.exec(line);
      if (cut !== null) {
        yield { position, data: data.subarray(0, start) };
        position += start + Number(cut[1]);
        data = data.subarray(start + cut[0].length);
        isAfterCut = true;
      } else if (line.length < LONGEST_CUT_LINE) {
        held = data.subarray(start);
        data = data.subarray(0, start);
        break;
      } else from = start + 1;
    }
    if (data.length > 0) yield { position, data };
    position += data.length;
  }
  // Also where nothing is left: it says where the end is.
  yield { position, data: held };
}

const lastPossibleStart = (data: Buffer, from: number): number =>
  data.indexOf(10, Math.max(from, data.length - CUT_START.length + 1));

/** Reads a finished log part by part, from its beginning on. */
export class FinishedLog {
  readonly #pieces: AsyncGenerator<Piece>;
  #piece: Piece | undefined;
  #position = 0;
  #isAtEnd = false;
  #endsAt = 0;

  /** @param file its bytes; closed when they end, and by `close` */
  constructor(file: AsyncIterable<Uint8Array>) {
    this.#pieces = piecesOf(file);
  }

  /** Where the next part begins; one that lies before it cannot be read any more. */
  get position(): number {
    return this.#position;
  }

  async read(position: number, maxBytes: number): Promise<LogPart> {
    if (position < this.#position) throw new Error("a log is read forwards");
    const parts: Buffer[] = [];
    let length = 0;
    let startsAt = position;
    while (length < maxBytes) {
      const piece = await this.#pieceFrom(position);
      if (piece === undefined) break;
      const next = startsAt + length;
      if (length > 0 && piece.position > next) break;
      if (length === 0) startsAt = Math.max(position, piece.position);
      const from = Math.max(0, startsAt + length - piece.position);
      const data = piece.data.subarray(from, from + maxBytes - length);
      parts.push(data);
      length += data.length;
      this.#position = startsAt + length;
    }
    const isEnd = length < maxBytes && this.#isAtEnd;
    // Nothing may have been kept after the cut.
    if (isEnd && length === 0) startsAt = Math.max(position, this.#endsAt);
    return {
      position,
      skippedBytes: startsAt - position,
      data: Buffer.concat(parts),
      nextPosition: startsAt + length,
      isEnd,
    };
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined);
  }

  /** The piece that holds what comes next, at or after a position. */
  async #pieceFrom(position: number): Promise<Piece | undefined> {
    const wanted = Math.max(position, this.#position);
    while (this.#piece === undefined || this.#piece.position + this.#piece.data.length <= wanted) {
      const next = await this.#pieces.next();
      if (next.done === true) {
        this.#isAtEnd = true;
        return undefined;
      }
      this.#piece = next.value;
      this.#endsAt = next.value.position + next.value.data.length;
    }
    return this.#piece;
  }
}
