/** Which part of the screen is where, for drawing and for clicks. Pure. */
import type { Size } from "../terminal/frame-painter.ts";

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  /** One line says so, and nothing else is shown. */
  readonly isTooSmall: boolean;
  /** The list is beside the pane, not above it. */
  readonly isWide: boolean;
  /** Without its heads, which are the line above. */
  readonly list: Rect;
  /** One line. */
  readonly tabs: Rect;
  /** What the chosen tab shows. */
  readonly pane: Rect;
}

export const LEAST: Size = { columns: 40, rows: 12 };
/** Title and summary above, the last answer and the keys below. */
const TOP = 2;
const BOTTOM = 2;
const WIDE = 140;
/** The pane's least height with its tabs, where there is room for it. */
const LEAST_PANE = 11;

export function layoutOf({ columns, rows }: Size, subjects: number): Layout {
  const isTooSmall = columns < LEAST.columns || rows < LEAST.rows;
  const body = Math.max(0, rows - TOP - BOTTOM);
  const y = TOP;
  if (columns >= WIDE) {
    const width = Math.floor(columns * 0.48);
    const x = width + 1;
    return {
      isTooSmall,
      isWide: true,
      list: { x: 0, y: y + 1, width, height: Math.max(0, body - 1) },
      tabs: { x, y, width: columns - x, height: 1 },
      pane: { x, y: y + 1, width: columns - x, height: Math.max(0, body - 1) },
    };
  }
  const most = Math.max(Math.floor(body / 2), body - 24, 4);
  const height = Math.max(3, Math.min(subjects, most - 1, Math.max(3, body - LEAST_PANE - 1)));
  const tabsY = y + 1 + height;
  return {
    isTooSmall,
    isWide: false,
    list: { x: 0, y: y + 1, width: columns, height },
    tabs: { x: 0, y: tabsY, width: columns, height: 1 },
    pane: { x: 0, y: tabsY + 1, width: columns, height: Math.max(0, rows - BOTTOM - tabsY - 1) },
  };
}

/** Lines of the tree in a pane: above them are their heads, below them all that is known of the selected one. */
export const taskRows = (paneHeight: number): number => Math.max(1, paneHeight - 2);

export const isWithin = ({ x, y, width, height }: Rect, column: number, row: number): boolean =>
  column >= x && column < x + width && row >= y && row < y + height;

/** Which of so many lines are shown, so that one of them is in sight; `top` is where the window was. */
export function windowTop(top: number, at: number, height: number, count: number): number {
  const last = Math.max(0, count - height);
  const first = Math.min(Math.max(top, at - height + 1), Math.max(at, 0));
  return Math.min(Math.max(first, 0), last);
}
