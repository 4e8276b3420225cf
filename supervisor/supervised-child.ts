/** What a supervisor remembers of one child besides its cell, and what its restart strategy may ask of it. */
import { Backoff } from "./backoff.ts";
import type { Cell } from "./cell.ts";
import type { Delays, SupervisorSpec } from "./child-spec.ts";
import type { ExitReason } from "./exit-reason.ts";
import { IntensityWindow } from "./intensity.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";
import type { Wait } from "./supervisor-life.ts";

export const defaultIntensity = { restarts: 3, withinMs: 5_000 };
export const defaultBackoff = { minMs: 50, maxMs: 5_000, resetAfterMs: 10_000 };

export interface Child {
  readonly cell: Cell;
  /** Added at run time: it does not come back when its supervisor restarts. */
  readonly isAdded: boolean;
  /** Its spec is still there when it has ended. Not of temporary children, nor under a dynamic supervisor. */
  readonly keepsSpec: boolean;
  readonly backoff: Backoff;
  /** For `revive`: the delays, and the budget of an actor's own. */
  readonly revival: Backoff | undefined;
  readonly budget: IntensityWindow | undefined;
  /** Somebody has stopped it by name. */
  isWanted: boolean;
  /** It was ready at least once: only then may its init fail without its supervisor failing. */
  wasReady: boolean;
  /** It is `failed` and waits for its delayed restart. */
  isReviving: boolean;
  /** It ended by itself and is not restarted. */
  hasEnded: boolean;
}

export function makeChild(
  cell: Cell,
  isAdded: boolean,
  supervisor: SupervisorSpec,
  random: Random,
): Child {
  const { revive, restart } = cell.spec.options;
  const { backoff, intensity } = supervisor.options;
  const hasOwnBudget = revive !== undefined && cell.spec.kind === "worker";
  return {
    cell,
    isAdded,
    keepsSpec: supervisor.kind !== "dynamic" && restart !== "temporary",
    backoff: new Backoff(backoff ?? defaultBackoff, random),
    revival: revive && new Backoff(revivalDelays(revive), random),
    budget: hasOwnBudget ? new IntensityWindow(intensity ?? defaultIntensity) : undefined,
    isWanted: true,
    wasReady: false,
    isReviving: false,
    hasEnded: false,
  };
}

/** Health for as long as the longest delay makes the next delay short again. */
const revivalDelays = ({ minMs, maxMs }: Delays) => ({ minMs, maxMs, resetAfterMs: maxMs });

/** What a restart strategy needs of its supervisor during one life of it. */
export interface RestartHost {
  /** False once the supervisor stops or has given up: nothing more is to be done. */
  isUp(): boolean;
  /** True once it stops or has given up, and not yet while it starts. */
  isOver(): boolean;
  readonly log: Logger;
  /** In the order of their starts. */
  children(): readonly Child[];
  wait(delayMs: number): Wait;
  nowMs(): number;
  /**
   * Spends one restart of the budget. False when there was none left: the child is `failed` or the
   * supervisor has given up, and this restart does not happen.
   */
  spend(child: Child, reason: ExitReason): boolean;
  /** @throws what kept it from becoming ready. */
  start(child: Child): Promise<void>;
  /** Stops a temporary child for good. */
  remove(child: Child): Promise<void>;
}

/** Decides who is restarted with a child that has ended and is to come back. */
export interface RestartStrategy {
  /** Whether children are down for a sibling's sake. */
  readonly isBusy: boolean;
  /** All children were ready: health is counted from now. */
  ready(): void;
  exited(child: Child, reason: ExitReason): void;
}
