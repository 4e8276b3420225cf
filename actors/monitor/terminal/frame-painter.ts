/**
 * From what should stand on the screen to the bytes that make it so: only the stretches of lines that have changed,
 * each with its place, so that a frame in which a clock has moved on costs some ten bytes. It is the last before the
 * terminal and lets nothing pass but characters and their colours, whatever a frame holds. Pure; `terminal.ts` writes.
 */
import {
  type StyledChar,
  styledCharsFromTokens,
  styledCharsToString,
  tokenize,
} from "@alcalzone/ansi-tokenize";
import { widthOf } from "./clean-text.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

interface Cell {
  /** With its styles, for comparison. */
  readonly key: string;
  readonly char: StyledChar;
  readonly width: number;
}

const ESCAPE = "\u001b";
/** Colours, bold, inverse: nothing that moves or asks. */
const isStyle = (code: string): boolean =>
  code.startsWith(ESCAPE) && /^\[[0-9;:]*m$/.test(code.slice(ESCAPE.length));

/** What screens draw with, where only ASCII can be shown. */
const plainOf: Readonly<Record<string, string>> = {
  ...{ "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "|", "…": "~" },
  ...{ "·": "-", "●": "*", "○": "o", "▸": ">", "▾": "v", "↑": "^", "↓": "v", "×": "x", "°": "d" },
};

export class FramePainter {
  readonly #isAscii: boolean;
  #shown: readonly (readonly Cell[])[] = [];
  #size: Size | undefined;

  constructor(isAscii: boolean) {
    this.#isAscii = isAscii;
  }

  /** The screen is not what it was: all of it is painted the next time. */
  forget(): void {
    this.#size = undefined;
  }

  /** The bytes to write; empty where all is as it should be. Lines and columns beyond the screen are left out. */
  paint(frame: string, size: Size): string {
    const lines = frame.split("\n").slice(0, size.rows);
    const wanted = lines.map((line) => this.#cellsOf(line, size.columns));
    let bytes = "";
    if (this.#size?.columns !== size.columns || this.#size.rows !== size.rows) {
      this.#shown = [];
      bytes = "\u001b[0m\u001b[2J";
    }
    this.#size = size;
    for (let row = 0; row < Math.max(wanted.length, this.#shown.length); row += 1)
      bytes += lineChange(row, this.#shown[row] ?? [], wanted[row] ?? []);
    this.#shown = wanted;
    return bytes;
  }

  #cellsOf(line: string, columns: number): Cell[] {
    const cells: Cell[] = [];
    let used = 0;
    for (const char of styledCharsFromTokens(tokenize(line))) {
      const value = this.#shownAs(char.value);
      // A cell that a wide one before it has filled.
      if (value === "") continue;
      const width = widthOf(value);
      used += width;
      if (used > columns) break;
      const styles = char.styles.filter(({ code }) => isStyle(code));
      const key = value + styles.map(({ code }) => code).join("");
      cells.push({ key, char: { ...char, value, styles }, width });
    }
    return cells;
  }

  #shownAs(value: string): string {
    if (/^[\x20-\x7e]$/.test(value)) return value;
    if (value === "" || /\p{C}/u.test(value)) return "";
    if (!this.#isAscii) return value;
    return plainOf[value] ?? "?".repeat(widthOf(value));
  }
}

/** One stretch, from the first change to the last. */
function lineChange(row: number, shown: readonly Cell[], wanted: readonly Cell[]): string {
  let first = 0;
  while (first < wanted.length && first < shown.length && same(shown[first], wanted[first]))
    first += 1;
  if (first === wanted.length && first === shown.length) return "";
  const shownWidth = widthOfCells(shown);
  const wantedWidth = widthOfCells(wanted);
  let end = wanted.length;
  // What follows the last change stands where it stood only in a line of the same width.
  if (shownWidth === wantedWidth)
    for (let at = shown.length; at > first && end > first; at -= 1, end -= 1)
      if (!same(shown[at - 1], wanted[end - 1])) break;
  // Terminals may disagree about a wide character: what follows one is only ever painted from the line's beginning.
  if ([shown, wanted].some((line) => line.slice(0, first).some(isDoubtful))) first = 0;
  if ([shown, wanted].some((line) => line.some(isDoubtful))) end = wanted.length;
  const column = widthOfCells(wanted.slice(0, first)) + 1;
  const text = styledCharsToString(wanted.slice(first, end).map(({ char }) => char));
  const isRestEmptied = end === wanted.length && wantedWidth < shownWidth;
  return `\u001b[${row + 1};${column}H${text}${isRestEmptied ? "\u001b[K" : ""}`;
}

const same = (a: Cell | undefined, b: Cell | undefined): boolean => a?.key === b?.key;

const widthOfCells = (cells: readonly Cell[]): number =>
  cells.reduce((sum, { width }) => sum + width, 0);

/** All but ASCII and what screens draw with. */
const isDoubtful = ({ char: { value } }: Cell): boolean =>
  !/^[\x20-\x7e\u2500-\u259f\u2800-\u28ff\u2026\u00b7\u00b0\u00d7]$/.test(value);
