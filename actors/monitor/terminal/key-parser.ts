/**
 * From the bytes of a terminal to keys and mouse events. A sequence may come in pieces, and several in one piece; what
 * is none that is known is left out. Pasted text is one event, so that a paste is never taken for keys.
 */
import { StringDecoder } from "node:string_decoder";

export type Input =
  | { readonly kind: "key"; readonly key: string }
  /** From 0. */
  | {
      readonly kind: "mouse";
      readonly what: "click" | "wheel-up" | "wheel-down";
      readonly column: number;
      readonly row: number;
    }
  | { readonly kind: "paste"; readonly text: string };

/** After `ESC [` and its numbers; with `O` instead where the keypad sends application codes. */
const byLetter: Readonly<Record<string, string>> = {
  ...{ A: "up", B: "down", C: "right", D: "left", H: "home", F: "end", Z: "backtab" },
};
const byNumber: Readonly<Record<string, string>> = {
  ...{ 1: "home", 3: "delete", 4: "end", 5: "pageup", 6: "pagedown", 7: "home", 8: "end" },
};
const byControl: Readonly<Record<string, string>> = {
  ...{ "\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\b": "backspace" },
  ...{ "\x03": "ctrl-c", "\x0c": "ctrl-l", "\x15": "ctrl-u", "\x1a": "ctrl-z", "\x1b": "escape" },
  ...{ "\x04": "ctrl-d" },
};

const ESCAPE = "\u001b";
/** What follows ESC. */
const CSI = /^\[([0-9:;<=>?]*)[ -/]*([@-~])/;
const CSI_BEGUN = /^\[[0-9:;<=>?]*[ -/]*$/;
const PASTE_BEGINS = `${ESCAPE}[200~`;
const PASTE_ENDS = `${ESCAPE}[201~`;
/** A sequence that is longer is none. */
const MAX_PENDING = 64;
/** The rest of a larger paste is lost. */
const MAX_PASTE = 10_000;

export class KeyParser {
  readonly #decoder = new StringDecoder("utf8");
  #pending = "";
  #paste: string | undefined;

  /** A sequence has begun: what follows may be late, or it was the key Escape (`flush`). */
  get isWaiting(): boolean {
    return this.#pending !== "" && this.#paste === undefined;
  }

  push(bytes: Uint8Array): Input[] {
    this.#pending += this.#decoder.write(Buffer.from(bytes));
    return this.#take(false);
  }

  /** Nothing has followed for a while. */
  flush(): Input[] {
    return this.#take(true);
  }

  #take(isAll: boolean): Input[] {
    const inputs: Input[] = [];
    while (this.#pending !== "") {
      const before = this.#pending;
      const input = this.#paste === undefined ? this.#takeOne(isAll) : this.#takePaste();
      if (input !== undefined) inputs.push(input);
      if (this.#pending === before) break;
    }
    return inputs;
  }

  #takePaste(): Input | undefined {
    const end = this.#pending.indexOf(PASTE_ENDS);
    // The end itself may be cut in two.
    const length = end === -1 ? Math.max(0, this.#pending.length - PASTE_ENDS.length + 1) : end;
    this.#paste = `${this.#paste ?? ""}${this.#pending.slice(0, length)}`.slice(0, MAX_PASTE);
    this.#pending = this.#pending.slice(end === -1 ? length : length + PASTE_ENDS.length);
    if (end === -1) return undefined;
    const text = this.#paste;
    this.#paste = undefined;
    return { kind: "paste", text };
  }

  #takeOne(isAll: boolean): Input | undefined {
    const text = this.#pending;
    if (!text.startsWith(ESCAPE)) {
      const [char = ""] = text;
      this.#pending = text.slice(char.length);
      return keyOf(char);
    }
    if (text.startsWith(PASTE_BEGINS)) {
      this.#pending = text.slice(PASTE_BEGINS.length);
      this.#paste = "";
      return undefined;
    }
    const csi = CSI.exec(text.slice(1));
    if (csi !== null) {
      this.#pending = text.slice(1 + csi[0].length);
      return sequence(csi[1] ?? "", csi[2] ?? "");
    }
    if (text.length >= 3 && text[1] === "O") {
      this.#pending = text.slice(3);
      return named(byLetter[text[2] ?? ""]);
    }
    const isBegun = text === ESCAPE || text === `${ESCAPE}O` || CSI_BEGUN.test(text.slice(1));
    if (isBegun && !isAll && text.length < MAX_PENDING) return undefined;
    // The key itself; what was no sequence after it is not typed text either.
    this.#pending = isBegun ? "" : text.slice(text[1] === ESCAPE ? 1 : 2);
    return text === ESCAPE || text[1] === ESCAPE ? named("escape") : undefined;
  }
}

function keyOf(char: string): Input | undefined {
  const known = byControl[char];
  if (known !== undefined) return named(known);
  return /\p{C}/u.test(char) ? undefined : named(char);
}

function sequence(parameters: string, letter: string): Input | undefined {
  if (parameters.startsWith("<")) return mouse(parameters.slice(1), letter === "m");
  if (letter === "~") return named(byNumber[parameters.split(";")[0] ?? ""]);
  return named(byLetter[letter]);
}

/** SGR: button;column;row, from 1. Presses of the first button and turns of the wheel count. */
function mouse(parameters: string, isRelease: boolean): Input | undefined {
  const [button, column, row] = parameters.split(";").map(Number);
  if (button === undefined || !isPlace(column) || !isPlace(row) || isRelease) return undefined;
  const what = button === 0 ? "click" : button === 64 ? "wheel-up" : "wheel-down";
  if (what === "wheel-down" && button !== 65) return undefined;
  return { kind: "mouse", what, column: column - 1, row: row - 1 };
}

const isPlace = (value: number | undefined): value is number =>
  value !== undefined && Number.isInteger(value) && value >= 1 && value <= 10_000;

const named = (key: string | undefined): Input | undefined =>
  key === undefined ? undefined : { kind: "key", key };
