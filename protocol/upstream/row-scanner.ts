/**
 * Reads the rows of a changelog that are written as every server writes them by one regular expression, which
 * takes a fifth of the parser's time, and hands all else to the parser: it is the parser that says what is well
 * formed, and a row is taken only where the parser waits for the next one. Called by `changelog.ts`.
 */
import type { ChangelogEvent } from "./changelog.ts";
import type { XmlRpcReader, XmlRpcValue } from "./xml-rpc-reader.ts";

/** Text that means itself: no markup, no entity, and nothing that XML forbids, reads otherwise or ends in `]]>`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids
const TEXT = /[^<&\]\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/.source;
const value = (inner: string): string => `<value>${inner}</value>[ \\t\\n]*`;
const text = (repeat: string): string => `<string>(${TEXT}${repeat})</string>`;
const INT = "<int>([0-9]{1,15})</int>";
const ROW_END = "</data></array></value>";
const ROW = new RegExp(
  `[ \\t\\n]*<value><array><data>[ \\t\\n]*${value(text("+"))}${value(`(?:${text("*")}|<nil/>)`)}${value(INT)}` +
    `${value(text("*"))}${value(INT)}${ROW_END}`,
  "y",
);

/** A row that is longer than this, or never ends, is the parser's. */
const LONGEST_ROW = 65_536;

export class RowScanner {
  readonly #reader: XmlRpcReader;
  readonly #onRow: (event: ChangelogEvent) => void;
  /** What came and was not read yet: the beginning of a row. */
  #rest = "";
  #isBegun = false;
  /** In a comment, a CDATA section or an instruction something may look like a row: from the first on, all is the parser's. */
  #isPlain = true;

  constructor(reader: XmlRpcReader, onRow: (event: ChangelogEvent) => void) {
    this.#reader = reader;
    this.#onRow = onRow;
  }

  /** @throws UpstreamError `garbled`, as the parser does. */
  write(piece: string): void {
    const all = this.#rest + piece;
    this.#rest = "";
    let at = 0;
    while (this.#isPlain) {
      if (this.#reader.isBetweenItems) at = this.#takeRows(all, at);
      const mark = this.#nextMark();
      const found = all.indexOf(mark, at);
      if (found >= 0) {
        this.#parse(all.slice(at, found + mark.length));
        at = found + mark.length;
      } else if (all.length - at > LONGEST_ROW) this.#isPlain = false;
      else {
        this.#rest = all.slice(at);
        return;
      }
    }
    this.#parse(all.slice(at));
  }

  /** @throws UpstreamError as the parser's `end` */
  end(): XmlRpcValue {
    this.#parse(this.#rest);
    return this.#reader.end();
  }

  #takeRows(all: string, from: number): number {
    ROW.lastIndex = from;
    for (let row = ROW.exec(all); row !== null; row = ROW.exec(all)) {
      const [, name = "", version = "", at, action = "", serial] = row;
      from = ROW.lastIndex;
      this.#onRow({
        name,
        version: version === "" ? null : version,
        at: Number(at),
        action,
        serial: Number(serial),
      });
    }
    return from;
  }

  /** Up to which the parser is to read, before one looks for a row again. */
  #nextMark(): string {
    if (this.#reader.isBetweenItems) return ROW_END;
    return this.#reader.depth > 0 && this.#isBegun ? "</value>" : "<data>";
  }

  #parse(part: string): void {
    const isDeclared = !this.#isBegun && part.startsWith("<?xml ");
    if (part !== "") this.#isBegun = true;
    if (part.includes("<!") || part.includes("<?", isDeclared ? 2 : 0)) this.#isPlain = false;
    this.#reader.write(part);
  }
}
