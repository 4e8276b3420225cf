/** What can be seen of a running tree: a snapshot as plain values, fit for JSON. */
import type { PauseKind } from "./actor-definition.ts";

/**
 * - `starting`: its first `init` has not settled.
 * - `running`, `paused`: it lives.
 * - `restarting`: it has crashed or is stopped for a sibling's sake, and comes back after its delay.
 * - `failed`: beyond its budget; waits for its delayed restart.
 * - `stopped`: it has ended, or `init` said `IGNORE`.
 */
export type NodeState = "starting" | "running" | "paused" | "restarting" | "failed" | "stopped";

export interface TreeNode {
  readonly path: string;
  readonly id: string;
  /** The role of an actor in plain words; of a supervisor its strategy. */
  readonly role: string;
  readonly kind: "worker" | "supervisor" | "dynamic";
  readonly state: NodeState;
  readonly pause: PauseKind;
  /** The last incarnation; 0 before the first. */
  readonly incarnation: number;
  /** Messages waiting in all lanes. */
  readonly mailboxDepth: number;
  /**
   * How long the oldest waiting user message has waited; 0 when none waits. Too long by at most the time in
   * which no actor of the system had a turn.
   */
  readonly mailboxAgeMs: number;
  /** User messages that a full mailbox lost (`drop-new`, `drop-oldest`) or refused. */
  readonly dropped: number;
  readonly rejected: number;
  /** How long the message in hand has been in hand; 0 when idle. */
  readonly busyMs: number;
  /** Messages handled by all incarnations. */
  readonly handled: number;
  readonly restarts: number;
  readonly lastError?: string;
  /** Of the present incarnation, in ms since 1970. */
  readonly startedAt?: number;
  readonly degraded?: { readonly reason: string; readonly sinceAt: number };
  readonly children: readonly TreeNode[];
}

/** How many nodes of a tree are what, as OTP's `count_children` says it for one supervisor. */
export interface TreeCounts {
  readonly specs: number;
  readonly active: number;
  readonly supervisors: number;
  readonly workers: number;
}

/** Counts a node's direct children. */
export function countChildren(node: TreeNode): TreeCounts {
  const active = node.children.filter((c) => c.state === "running" || c.state === "paused").length;
  const workers = node.children.filter((c) => c.kind === "worker").length;
  return {
    specs: node.children.length,
    active,
    supervisors: node.children.length - workers,
    workers,
  };
}

/** All nodes of a tree, parents before their children. */
export function* eachNode(node: TreeNode): Generator<TreeNode> {
  yield node;
  for (const below of node.children) yield* eachNode(below);
}
