/** What an incarnation needs of the cell that it lives in. */
import type { Behaviour } from "./actor-definition.ts";
import type { ExitReason } from "./exit-reason.ts";
import type { Logger } from "./logger.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Runtime } from "./runtime.ts";

export interface IncarnationHost {
  readonly runtime: Runtime;
  readonly id: string;
  readonly path: string;
  readonly behaviour: Behaviour;
  readonly mailbox: Mailbox;
  readonly log: Logger;
  readonly startMs: number;
  readonly shutdownMs: number;
  readonly isPaused: boolean;
  /** False once it has been told to end for good: what is put back then is a dead letter. */
  readonly isOpen: boolean;
  countHandled(): void;
  setDegraded(reason: string | undefined): void;
  /** `init` has settled; called before anything else can happen to the incarnation. */
  started(incarnation: number): void;
  /** It ended by itself: it crashed or had finished. Not called after `abandon`. */
  exited(incarnation: number, reason: ExitReason): void;
}
