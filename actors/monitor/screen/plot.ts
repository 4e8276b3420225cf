/**
 * Figures over time as lines of characters: braille (2 by 4 dots a character), blocks (8 steps), or ASCII (3 steps). The
 * area below the curve is filled; what was not measured stays empty, and a measured zero is one dot. Pure.
 */

export type PlotStyle = "braille" | "blocks" | "ascii";

/** Dots from the bottom up, of the left and of the right column of a character. */
const LEFT = [0x40, 0x04, 0x02, 0x01] as const;
const RIGHT = [0x80, 0x20, 0x10, 0x08] as const;
const BLOCKS = " ▁▂▃▄▅▆▇█";
const ASCII = " .:#";

/** Steps of each character, and columns of values in it. */
const grain = {
  braille: { steps: 4, columns: 2 },
  blocks: { steps: 8, columns: 1 },
  ascii: { steps: 3, columns: 1 },
} as const;

/**
 * @param values the latest last
 * @param ceiling the value at the top; larger ones raise it
 * @returns `height` lines of `width` characters, the top one first
 */
export function plotLines(
  values: readonly (number | null)[],
  {
    width,
    height,
    ceiling,
    style,
  }: { width: number; height: number; ceiling: number; style: PlotStyle },
): string[] {
  const { steps, columns } = grain[style];
  if (width <= 0 || height <= 0) return [];
  const columnsOf = resampled(values, width * columns);
  const top = Math.max(ceiling, ...columnsOf.map((value) => value ?? 0)) || 1;
  const levels = columnsOf.map((value) => {
    if (value === null) return 0;
    const level = Math.round((Math.max(0, value) / top) * steps * height);
    return Math.min(Math.max(level, 1), steps * height);
  });
  return Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * steps;
    const inLine = levels.map((level) => Math.max(0, Math.min(level - below, steps)));
    if (style !== "braille") {
      const marks = style === "blocks" ? BLOCKS : ASCII;
      return inLine.map((level) => marks[level] ?? " ").join("");
    }
    return Array.from({ length: width }, (_unused, at) =>
      braille(inLine[2 * at] ?? 0, inLine[2 * at + 1] ?? 0),
    ).join("");
  });
}

function braille(left: number, right: number): string {
  const dots =
    LEFT.slice(0, left).reduce((sum, dot) => sum + dot, 0) +
    RIGHT.slice(0, right).reduce((sum, dot) => sum + dot, 0);
  return dots === 0 ? " " : String.fromCodePoint(0x2800 + dots);
}

/** So many values: of each stretch of time the largest, so that no peak is lost; null where nothing was measured. */
export function resampled(
  values: readonly (number | null)[],
  columns: number,
): readonly (number | null)[] {
  const { length } = values;
  if (length === 0) return Array.from({ length: columns }, () => null);
  return Array.from({ length: columns }, (_, at) => {
    const from = Math.floor((at * length) / columns);
    const to = Math.max(from + 1, Math.floor(((at + 1) * length) / columns));
    let largest: number | null = null;
    for (const value of values.slice(from, to))
      if (value !== null && (largest === null || value > largest)) largest = value;
    return largest;
  });
}
