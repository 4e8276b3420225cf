/**
 * What an incarnation needs of whoever handles its messages: `MessageLoop` in this thread, `ThreadLoop`
 * where the handlers run in a worker thread.
 */
import type { ExitReason } from "./exit-reason.ts";

export interface Loop {
  /** Whether a handler runs that `idle` is to be waited for. */
  readonly isBusy: boolean;
  /** Whether it will look at the mailbox in any case, so that no turn need be asked for. */
  readonly willLook: boolean;
  /** How long the message in hand has been in hand; 0 when idle. */
  readonly busyMs: number;
  /** Settles when no handler runs: at once, or when the one in hand has settled. */
  idle(): Promise<void>;
  /** Takes what it can from the mailbox. Never two at once. */
  turn(): Promise<void> | void;
  /** The incarnation begins to end; no further turn comes. */
  closing?(reason: ExitReason): void;
  /** `stop` has settled or its time is over: the incarnation is over when this has settled. */
  ended?(): Promise<void>;
}
