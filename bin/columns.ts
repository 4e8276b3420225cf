/** Rows of cells as aligned lines under their heads, for every table that a tool prints. */
import { harmless } from "../config/log-line.ts";

/** Nothing, not even the heads, where there are no rows. */
export function columns(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) {
    return [];
  }
  const table = [heads, ...rows.map((row) => row.map((cell) => harmless(cell)))];
  const widths = heads.map((_, column) =>
    Math.max(...table.map((line) => (line[column] ?? "").length)),
  );
  return table.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
