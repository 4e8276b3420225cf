/**
 * A log as its viewer holds it: lines made harmless, in blocks, since a million strings cost more than the text. Fed as
 * the log arrives; it also picks the lines that tell of an error. Knows nothing of the page.
 *
 * @typedef {object} Patterns
 * @property {RegExp} compilerError
 * @property {RegExp} exception
 * @property {RegExp} anyError
 * @property {readonly RegExp[]} saysNothing
 */

/** Of a line; what is beyond is in the raw log. */
export const LONGEST_LINE = 4_000;
const LINES_A_BLOCK = 1_000;
/** Lines that tell of an error, which one can step through. */
const MOST_ERRORS = 1_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about
const escapeSequence = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
// Controls, and what turns the direction of writing around: it can make a line look like another one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about
const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A line as a terminal would leave it: without colours, and of what was written over only the last.
 * @param {string} raw
 * @returns {string}
 */
export function cleanLine(raw) {
  let line = raw;
  if (line.includes("\r")) {
    const written = line.split("\r").filter((part) => part !== "");
    line = written.at(-1) ?? "";
  }
  if (line.includes("\x1b")) line = line.replace(escapeSequence, "");
  line = line.replace(control, "\ufffd");
  if (line.length <= LONGEST_LINE) return line;
  const left = line.length - LONGEST_LINE;
  return `${line.slice(0, LONGEST_LINE)} [… ${left} more characters in the raw log]`;
}

export class LogText {
  /** @type {string[]} Full blocks, their lines joined. */
  #blocks = [];
  /** @type {string[]} */
  #last = [];
  #rest = "";
  /** Characters of a line that is too long to be kept. */
  #dropped = 0;
  /** @type {Patterns} */
  #patterns;
  /** @type {{ number: number, lines: string[] } | undefined} The block that was read last. */
  #open;
  /** @type {number[]} Numbers of lines, from 1. */
  errors = [];
  /** @type {number | undefined} */
  #compilerError;
  /** @type {number | undefined} */
  #exception;
  /** @type {number | undefined} */
  #anyError;

  /** @param {Patterns} patterns */
  constructor(patterns) {
    this.#patterns = patterns;
  }

  /** Lines that are whole. */
  get length() {
    return this.#blocks.length * LINES_A_BLOCK + this.#last.length;
  }

  /** The line that tells most, by its number; undefined where none tells of an error. */
  get tellingLine() {
    return this.#compilerError ?? this.#exception ?? this.#anyError;
  }

  /** @param {string} text in whatever pieces it comes */
  add(text) {
    const lines = text.split("\n");
    const end = lines.pop() ?? "";
    for (const line of lines) {
      this.#push(this.#rest + line);
      this.#rest = "";
    }
    this.#rest += end;
    // A line without end must not eat the memory. What is kept is enough for its beginning.
    if (this.#rest.length > 1_000_000) {
      this.#dropped += this.#rest.length - 100_000;
      this.#rest = this.#rest.slice(0, 100_000);
    }
  }

  /** The last line may have no end. */
  finish() {
    if (this.#rest !== "") this.#push(this.#rest);
    this.#rest = "";
  }

  /**
   * @param {number} number from 1
   * @returns {string}
   */
  line(number) {
    return this.blockOf(number)[(number - 1) % LINES_A_BLOCK] ?? "";
  }

  /**
   * The lines around one, for whoever goes through all: those of its block, which begins at a multiple of 1,000.
   * @param {number} number from 1
   * @returns {readonly string[]}
   */
  blockOf(number) {
    const index = Math.floor((number - 1) / LINES_A_BLOCK);
    const text = this.#blocks[index];
    if (text === undefined) return index === this.#blocks.length ? this.#last : [];
    if (this.#open?.number !== index) this.#open = { number: index, lines: text.split("\n") };
    return this.#open.lines;
  }

  /** @param {string} raw */
  #push(raw) {
    let line = cleanLine(raw);
    if (this.#dropped > 0) line += ` [… ${this.#dropped} more characters in the raw log]`;
    this.#dropped = 0;
    this.#last.push(line);
    this.#judge(line, this.length);
    if (this.#last.length < LINES_A_BLOCK) return;
    this.#blocks.push(this.#last.join("\n"));
    this.#last = [];
  }

  /**
   * @param {string} whole
   * @param {number} number
   */
  #judge(whole, number) {
    const { compilerError, exception, anyError, saysNothing } = this.#patterns;
    const line = whole.slice(0, 2_000).trimEnd();
    if (!anyError.test(line) && !compilerError.test(line) && !exception.test(line)) return;
    if (saysNothing.some((pattern) => pattern.test(line))) return;
    this.#anyError = number;
    const isCompilers = compilerError.test(line);
    const isException = exception.test(line);
    if (isCompilers) this.#compilerError ??= number;
    if (isException) this.#exception = number;
    if ((isCompilers || isException) && this.errors.length < MOST_ERRORS) this.errors.push(number);
  }
}

/**
 * `#L120` or `#L120-L130`, in either order.
 * @param {string} hash
 * @returns {{ from: number, to: number } | undefined}
 */
export function linesOf(hash) {
  const found = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash);
  if (found === null) return undefined;
  const [a, b] = [Number(found[1]), Number(found[2] ?? found[1])];
  return a === 0 || b === 0 ? undefined : { from: Math.min(a, b), to: Math.max(a, b) };
}

/**
 * Where a build's log lies, as `logKey` of the program has it.
 * @param {number} token
 * @returns {string}
 */
export function logPath(token) {
  const digits = String(token).padStart(12, "0");
  return `/logs/${digits.slice(0, -8)}/${digits.slice(-8, -4)}/${digits.slice(-4)}.txt.gz`;
}
