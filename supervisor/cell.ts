/**
 * A place in the tree: what a supervisor knows of a child, be it an actor or a supervisor. A cell keeps
 * its path, its mailbox and its counts over all incarnations.
 */
import type { AnyChildSpec } from "./child-spec.ts";
import type { ExitReason } from "./exit-reason.ts";
import type { TreeNode } from "./introspection.ts";

export interface Cell {
  readonly id: string;
  readonly path: string;
  readonly spec: AnyChildSpec;
  /** Raised by every start, so that news of an earlier life can be told apart. */
  readonly generation: number;
  /** It is starting, running or on its way down. */
  readonly isUp: boolean;

  /** @throws whatever kept it from becoming ready; it is down then. */
  start(): Promise<"ready" | "ignored">;
  /**
   * Stops what runs, within its deadline; never rejects. Not `isFinal`: it will be started again, its
   * mailbox stays open and keeps what it has.
   */
  halt(isFinal: boolean): Promise<void>;
  /** It is down and will not be restarted: its queue is dead-lettered, watchers are told. */
  finish(reason: ExitReason): void;
  /** It has been finished and is no longer part of the tree: its path, and those below, mean nobody. */
  release(): void;
  /** Fences at once whatever is still on its way down. */
  kill(): void;
  /** What the tree shows while it is down. */
  show(state: "restarting" | "failed" | "stopped"): void;
  countRestart(): void;
  crash(error: Error): boolean;
  snapshot(): TreeNode;
}

/** Who is told that a cell has ended by itself. */
export interface CellParent {
  childExited(cell: Cell, generation: number, reason: ExitReason): void;
}
