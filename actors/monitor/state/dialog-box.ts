/** A dialog as lines in a box in the middle of the screen, and what a click into it means. Pure. */
import { widthOf } from "../terminal/clean-text.ts";
import type { Size } from "../terminal/frame-painter.ts";
import { helpLines } from "./help.ts";
import type { Rect } from "./layout.ts";
import type { Dialog } from "./monitor-state.ts";

export interface BoxLine {
  readonly text: string;
  readonly isHead?: boolean;
  readonly isChosen?: boolean;
}

export interface DialogBox {
  /** With its frame. */
  readonly rect: Rect;
  /** As many as fit between the frame's lines. */
  readonly lines: readonly BoxLine[];
}

const MAX_WIDTH = 76;
/** The frame and a space on each side. */
const SIDES = 4;

export const YES = "[ Yes ]";
export const NO = "[ No ]";
const BETWEEN = "   ";

export function dialogBox(dialog: Dialog, { columns, rows }: Size): DialogBox {
  const room = Math.max(10, Math.min(MAX_WIDTH, columns) - SIDES);
  const all = linesOf(dialog, room);
  const height = Math.min(all.length, Math.max(1, rows - 2));
  const top = windowOf(dialog, all.length, height);
  const lines = all.slice(top, top + height);
  const inner = Math.min(room, Math.max(24, ...all.map(({ text }) => widthOf(text))));
  const width = inner + SIDES;
  return {
    lines,
    rect: {
      x: Math.max(0, Math.floor((columns - width) / 2)),
      y: Math.max(0, Math.floor((rows - height - 2) / 2)),
      width,
      height: height + 2,
    },
  };
}

/** The first line in sight. */
function windowOf(dialog: Dialog, count: number, height: number): number {
  const last = Math.max(0, count - height);
  if (dialog.kind === "help") return Math.min(dialog.top, last);
  return dialog.kind === "menu" ? Math.max(0, Math.min(dialog.at + 3 - height, last)) : 0;
}

function linesOf(dialog: Dialog, room: number): BoxLine[] {
  switch (dialog.kind) {
    case "help":
      return helpLines.map((text, at) => ({ text, isHead: at === 0 }));
    case "confirm":
      return [
        ...wrapped(dialog.question, room).map((text) => ({ text, isHead: true })),
        ...wrapped(dialog.why, room).map((text) => ({ text })),
        { text: "" },
        { text: buttons(dialog.isYes) },
      ];
    case "menu":
      return [
        { text: dialog.title, isHead: true },
        { text: "" },
        ...dialog.items.map(({ label }, at) => ({
          text: `${at === dialog.at ? ">" : " "} ${label}`,
          isChosen: at === dialog.at,
        })),
      ];
  }
}

/** The chosen one is marked by more than its colour. */
const buttons = (isYes: boolean): string =>
  isYes ? `>${YES}${BETWEEN} ${NO}  (y / n)` : ` ${YES}${BETWEEN}>${NO}  (y / n)`;

export function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && widthOf(longer) > room) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

export type DialogClick = "yes" | "no" | "outside" | "nothing" | { readonly item: number };

export function clickOnDialog(
  dialog: Dialog,
  size: Size,
  place: { readonly column: number; readonly row: number },
): DialogClick {
  const { rect, lines } = dialogBox(dialog, size);
  const row = place.row - rect.y - 1;
  const column = place.column - rect.x - SIDES / 2;
  const isInside =
    row >= -1 && row <= lines.length && column >= -2 && column < rect.width - SIDES / 2;
  if (!isInside) return "outside";
  const line = lines[row];
  if (line === undefined) return "nothing";
  if (dialog.kind === "menu") {
    const item = dialog.items.findIndex(({ label }) => line.text.slice(2) === label);
    return item === -1 ? "nothing" : { item };
  }
  if (dialog.kind !== "confirm" || row !== lines.length - 1) return "nothing";
  const isOn = (word: string): boolean => {
    const at = line.text.indexOf(word);
    return column >= at && column < at + word.length;
  };
  return isOn(YES) ? "yes" : isOn(NO) ? "no" : "nothing";
}
