/** Asks every process of the master, as Control does for orders and the tree: one that is away holds up no other. */
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import type { MasterPart } from "../part.ts";

/** What all parts answer, and the names of those that did not. */
export async function askAll<T>(
  parts: readonly MasterPart[],
  ask: (part: MasterPart) => Promise<readonly T[]>,
): Promise<{ found: T[]; silent: string[] }> {
  const answers = await Promise.allSettled(parts.map(ask));
  const found: T[] = [];
  const silent: string[] = [];
  for (const [at, settled] of answers.entries()) {
    if (settled.status === "fulfilled") found.push(...settled.value);
    else silent.push(parts[at]?.name ?? "");
  }
  return { found, silent };
}

/** A process that runs several parts was asked for each of them. */
export function eachOnce(nodes: readonly TaskNode[]): TaskNode[] {
  return [...new Map(nodes.map((node) => [`${node.part}:${node.path}`, node])).values()];
}
