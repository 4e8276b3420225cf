/** The tasks of a master as lines of text: one for each actor, with what it lacks. */
import { harmless } from "../config/log-line.ts";
import type { TaskNode } from "../protocol/model/task-tree.ts";
import { columns } from "./columns.ts";

/** `silent` are the parts of a split master that did not answer. */
export function taskLines(nodes: readonly TaskNode[], silent: readonly string[]): string[] {
  const actors = nodes.filter(({ kind, state }) => kind === "worker" || state === "failed");
  const isSplit = new Set(nodes.map(({ part }) => part)).size > 1;
  const rows = actors.map((node) => [
    node.path,
    ...(isSplit ? [node.part] : []),
    node.state,
    pauseWords[node.pause],
    String(node.mailboxDepth),
    String(node.handled),
    String(node.restarts),
    remark(node),
  ]);
  const head = [
    "TASK",
    ...(isSplit ? ["PART"] : []),
    ...["STATE", "PAUSE", "WAITING", "HANDLED", "RESTARTS", ""],
  ];
  return [
    ...columns(head, rows),
    ...silent.map((part) => `the part ${harmless(part)} does not answer`),
  ];
}

const pauseWords: Readonly<Record<TaskNode["pause"], string>> = {
  never: "-",
  drain: "drains",
  park: "parks",
};

function remark(node: TaskNode): string {
  const refused = Object.entries(node.refused ?? {})
    .sort(([, a], [, b]) => b - a)
    .map(([reason, times]) => `${reason} ${times}`)
    .join(", ");
  return [trouble(node), refused && `refused: ${refused}`].filter((part) => part !== "").join("; ");
}

function trouble({ degraded, state, lastError }: TaskNode): string {
  if (degraded) {
    const forMs = Math.max(0, Date.now() - degraded.sinceAt);
    return `degraded for ${Math.round(forMs / 1_000)} s: ${degraded.reason}`;
  }
  return state === "running" || lastError === undefined ? "" : lastError;
}
