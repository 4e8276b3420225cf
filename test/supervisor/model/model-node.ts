/** What the model of an actor and the model of a supervisor have in common, as their supervisor sees them. */
import type { NodeState } from "../../../supervisor/index.ts";
import type { End, ModelWorld } from "./model-world.ts";
import type { Plan } from "./plan.ts";

export type Started = "ready" | "ignored" | "failed";

export interface ModelParent {
  childExited(child: ModelNode, end: End): void;
}

/** A node of the tree as both sides can show it. */
export interface Shown {
  readonly path: string;
  readonly state: NodeState;
  readonly incarnation: number;
  readonly restarts: number;
  readonly handled: number;
  readonly mailboxDepth: number;
}

export abstract class ModelNode {
  readonly world: ModelWorld;
  readonly parent: ModelParent;
  readonly path: string;
  abstract readonly plan: Plan;
  state: NodeState = "stopped";
  isUp = false;
  restarts = 0;
  lastEnd: End = "shutdown";
  // What its supervisor remembers of it:
  /** At run time: gone once its supervisor itself restarts. */
  isAdded = false;
  /** Stopped by name. */
  isUnwanted = false;
  isReviving = false;
  /** At the very first start a failing init is nobody's to revive. */
  wasReady = false;
  hasEnded = false;
  /** When it spent restarts of a budget of its own. */
  readonly ownSpentAtMs: number[] = [];

  constructor(world: ModelWorld, parent: ModelParent, path: string) {
    this.world = world;
    this.parent = parent;
    this.path = path;
  }

  abstract get isAlive(): boolean;
  abstract start(): Started;
  /** Not final: it is to come back and keeps its queue. */
  abstract halt(isFinal: boolean): void;
  /** It has ended for good. */
  abstract finish(end: End): void;
  abstract show(): Shown[];
}
