/** What a system has done since its start, in numbers fit for a status page or a metrics endpoint. */
import type { DeadLetterReason, DeadLetterSummary } from "./dead-letters.ts";
import type { EventLoopDelay } from "./event-loop-delay.ts";
import type { Gauges } from "./gauges.ts";
import { eachNode, type TreeNode } from "./introspection.ts";

/** Totals also count actors that are gone. */
export interface SystemStatistics {
  readonly uptimeMs: number;
  /** Actors in the tree that live now: `running` or `paused`. */
  readonly actors: number;
  /** Incarnations begun, whether they became ready or not. */
  readonly incarnations: number;
  /** Messages handled. */
  readonly handled: number;
  /** Restarts and revivals, of actors and of supervisors. */
  readonly restarts: number;
  readonly deadLetters: {
    readonly total: number;
    readonly byReason: Readonly<Partial<Record<DeadLetterReason, number>>>;
  };
  /** User messages that full mailboxes lost or refused; they are dead letters `mailbox-full`, too. */
  readonly lost: { readonly dropped: number; readonly rejected: number };
  /** Only after `system.measureEventLoop()`. */
  readonly eventLoopDelay?: EventLoopDelay;
}

export function statisticsOf(
  uptimeMs: number,
  gauges: Gauges,
  tree: TreeNode,
  deadLetters: DeadLetterSummary,
  delay: EventLoopDelay | undefined,
): SystemStatistics {
  let actors = 0;
  for (const { kind, state } of eachNode(tree)) {
    if (kind === "worker" && (state === "running" || state === "paused")) actors += 1;
  }
  const { incarnations, handled, restarts, dropped, rejected } = gauges;
  const { total, byReason } = deadLetters;
  return {
    uptimeMs,
    actors,
    incarnations,
    handled,
    restarts,
    deadLetters: { total, byReason },
    lost: { dropped, rejected },
    ...(delay && { eventLoopDelay: delay }),
  };
}
