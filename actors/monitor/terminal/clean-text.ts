/**
 * What strangers said (a label, a line of a build's log, an error) as text that only shows: no control sequences, one
 * code point for each place on the screen, and each of a width that all terminals agree on. Whatever the screens show
 * of others goes through here; that the terminal is sent nothing else is for `frame-painter.ts`.
 */
import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";

/** Longer texts are cut before they are looked at: no line of a screen has room for more. */
const MAX_CHARS = 2_000;

const plain = /^[\x20-\x7e]*$/;

/** Format characters (which turn the direction of writing, or join), private use, what no table knows, halves of pairs. */
const invisible = /[\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Marks, and what else some terminals draw into the place before it and others beside it: the second half of a Hangul
 * syllable, flags, tones of skin, halfwidth voicing, vowels of Thai and Lao that follow.
 */
const attached =
  /[\p{M}\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f\u0e33\u0eb3]|[\u{1f1e6}-\u{1f1ff}\u{1f3fb}-\u{1f3ff}]/gu;

/** On one line; a tab is a space here, since where it leads is the terminal's to say. */
export function cleanText(text: string): string {
  const cut = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  if (plain.test(cut)) return cut;
  return stripVTControlCharacters(cut)
    .replace(/[\t\n\r\v\f\x85\u2028\u2029]+/g, " ")
    .replace(/\p{Cc}/gu, "")
    .normalize("NFC")
    .replace(invisible, "")
    .replace(attached, "");
}

/** How many columns a clean text takes. */
export function widthOf(text: string): number {
  return plain.test(text) ? text.length : stringWidth(text);
}

/** Exactly so many columns of a clean text: padded, or cut with a mark. */
export function fitted(text: string, columns: number, align: "left" | "right" = "left"): string {
  if (columns <= 0) return "";
  const width = widthOf(text);
  if (width <= columns) {
    const space = " ".repeat(columns - width);
    return align === "left" ? text + space : space + text;
  }
  if (columns === 1) return "…";
  let kept = "";
  let used = 0;
  for (const char of text) {
    const next = widthOf(char);
    if (used + next > columns - 1) break;
    kept += char;
    used += next;
  }
  return `${kept}…${" ".repeat(columns - 1 - used)}`;
}
