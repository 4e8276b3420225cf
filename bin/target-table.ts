/** The targets of a farm as lines of text. */
import { harmless } from "../config/log-line.ts";
import type { TargetRow } from "../protocol/model/target-row.ts";

export function targetLines(rows: readonly TargetRow[]): string[] {
  if (rows.length === 0) return ["no targets yet: the first slave brings its own"];
  const cells = [
    ["TARGET", "RANK", "PYTHON", "SLAVES", "READY", "BUILDING", "WAITING", "BLOCKED", "STATE"],
    ...rows.map((row) =>
      [
        row.name,
        row.rank,
        row.python,
        row.slaves,
        row.ready,
        row.leased,
        row.waiting,
        row.blocked,
        stateOf(row),
      ].map((cell) => harmless(String(cell))),
    ),
  ];
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((line) => (line[column] ?? "").length)),
  );
  return cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function stateOf({ skip, isActive, isComputing }: TargetRow): string {
  const state = skip !== null ? `skipped: ${skip}` : isActive ? "active" : "no slave lately";
  return isComputing ? `${state} (the queue is being computed)` : state;
}
