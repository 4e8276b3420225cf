/**
 * Reads a large JSON object as a stream by cutting it up: the elements of chosen top-level arrays are handed
 * on one by one, chosen top-level values are left out, and what remains (small) is parsed at the end. So
 * `JSON.parse` never sees more than one element at a time: one call for all of PyPI's project list would
 * hold the event loop for half a second. Called by `simple-json.ts` and `UpstreamClient`.
 */
import { UpstreamError } from "./upstream-error.ts";

export interface JsonCuts {
  /** By top-level key: takes each element of that array, parsed. An array that is none is left where it is. */
  readonly arrays: Readonly<Record<string, (element: unknown) => void>>;
  /** Top-level keys whose values are not wanted; null is left in their place. */
  readonly dropped?: readonly string[];
}

/** What remains, and each element by itself; descriptions of projects are the largest, and below 2 MiB. */
const MAX_REST_LENGTH = 4 * 1024 * 1024;
const MAX_ELEMENT_LENGTH = 1024 * 1024;

/** Where the text that is being read goes to. */
type Sink = "rest" | "element" | "nowhere";

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b;
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d;
const isSpace = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d);

export class JsonCutter {
  readonly #cuts: JsonCuts;
  #sink: Sink = "rest";
  #rest = "";
  #element = "";
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The last string at depth 1, with its quotes, while it may still turn out to be a key. */
  #key = "";
  #isInKey = false;
  /** The top-level key whose value comes next or is being read. */
  #currentKey: string | undefined;
  #isBeforeValue = false;
  #elements = 0;

  constructor(cuts: JsonCuts) {
    this.#cuts = cuts;
  }

  /** @throws UpstreamError `garbled`, or what taking an element throws. */
  write(piece: string): void {
    let from = 0;
    for (let at = 0; at < piece.length; at++) {
      if (this.#isInString) {
        at = this.#skipString(piece, at);
        continue;
      }
      const code = piece.charCodeAt(at);
      if (isSpace(code)) continue;
      const wasBeforeValue = this.#isBeforeValue;
      this.#isBeforeValue = false;
      if (code === QUOTE) {
        this.#isInString = true;
        this.#isInKey = this.#depth === 1 && !wasBeforeValue;
        this.#key = "";
      } else if (isOpening(code)) {
        this.#depth++;
      }
      if (wasBeforeValue) from = this.#startValue(piece, from, at, code);
      if (isClosing(code) || code === COMMA) from = this.#endOfPart(piece, from, at, code);
      else if (code === COLON && this.#depth === 1) this.#startKey();
    }
    this.#keep(piece.slice(from));
  }

  /** What remains, parsed: the arrays that were cut up are empty, what was dropped is null. */
  end(): unknown {
    if (this.#depth !== 0 || this.#isInString) throw garbled("it is cut off");
    return parse(this.#rest);
  }

  /** Goes to the end of the string or of the piece; returns the position read last. */
  #skipString(piece: string, start: number): number {
    for (let at = start; at < piece.length; at++) {
      if (this.#isEscaped) {
        this.#isEscaped = false;
        continue;
      }
      const code = piece.charCodeAt(at);
      if (code === BACKSLASH) this.#isEscaped = true;
      if (code !== QUOTE) continue;
      this.#isInString = false;
      if (this.#isInKey) this.#key += piece.slice(start, at);
      return at;
    }
    if (this.#isInKey) this.#key += piece.slice(start);
    return piece.length;
  }

  #startKey(): void {
    const key: unknown = parse(`"${this.#key}"`);
    this.#currentKey = typeof key === "string" ? key : undefined;
    this.#isBeforeValue = true;
  }

  /** At the first character of a top-level value. Returns from where on the piece is not yet kept. */
  #startValue(piece: string, from: number, at: number, code: number): number {
    const key = this.#currentKey ?? "";
    if (this.#cuts.dropped?.includes(key) === true) {
      this.#keep(piece.slice(from, at));
      this.#keep("null");
      this.#sink = "nowhere";
      return at;
    }
    if (code === 0x5b && Object.hasOwn(this.#cuts.arrays, key)) {
      this.#keep(piece.slice(from, at + 1));
      this.#sink = "element";
      this.#element = "";
      this.#elements = 0;
      return at + 1;
    }
    return from;
  }

  /** At a `,`, `]` or `}`: an element, the cut-up array or the dropped value may end here. */
  #endOfPart(piece: string, from: number, at: number, code: number): number {
    const depthBefore = this.#depth;
    if (isClosing(code)) this.#depth--;
    if (this.#depth < 0) throw garbled("it closes more than it opens");
    if (this.#sink === "nowhere" && (code === COMMA ? depthBefore === 1 : this.#depth === 0)) {
      this.#sink = "rest";
      return at;
    }
    if (this.#sink === "element" && depthBefore === 2) {
      this.#keep(piece.slice(from, at));
      const isLast = code !== COMMA;
      // `[]` has no element; after a comma there must be one.
      if (!isLast || this.#elements > 0 || this.#element.trim() !== "") this.#handOn();
      if (!isLast) return at + 1;
      this.#sink = "rest";
      return at;
    }
    return from;
  }

  #handOn(): void {
    const element = parse(this.#element);
    this.#element = "";
    this.#elements++;
    this.#cuts.arrays[this.#currentKey ?? ""]?.(element);
  }

  #keep(text: string): void {
    if (this.#sink === "rest") this.#rest += text;
    if (this.#sink === "element") this.#element += text;
    if (this.#rest.length > MAX_REST_LENGTH || this.#element.length > MAX_ELEMENT_LENGTH)
      throw garbled("a part of it is too long");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbled("it is no JSON");
  }
}

const garbled = (why: string): UpstreamError =>
  new UpstreamError("garbled", `the JSON answer cannot be read: ${why}`);
