/** The targets of a farm as lines of text. */
import type { TargetRow } from "../protocol/model/target-row.ts";
import { columns } from "./columns.ts";

export function targetLines(rows: readonly TargetRow[]): string[] {
  if (rows.length === 0) return ["no targets yet: the first slave brings its own"];
  return columns(
    ["TARGET", "RANK", "PYTHON", "SLAVES", "READY", "BUILDING", "WAITING", "BLOCKED", "STATE"],
    rows.map((row) => [
      row.name,
      String(row.rank),
      row.python,
      String(row.slaves),
      String(row.ready),
      String(row.leased),
      String(row.waiting),
      String(row.blocked),
      stateOf(row),
    ]),
  );
}

function stateOf({ skip, isActive, isComputing }: TargetRow): string {
  const state = skip !== null ? `skipped: ${skip}` : isActive ? "active" : "no slave lately";
  return isComputing ? `${state} (the queue is being computed)` : state;
}
