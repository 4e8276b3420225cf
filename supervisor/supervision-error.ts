/** What supervisors refuse or give up with. */
import type { AnyRef } from "./actor-ref.ts";

/**
 * - `malformed`: the child spec cannot be meant; nothing was started.
 * - `already_started`: a child of that id is there; `ref` names it.
 * - `already_present`: a stopped child of that id is there; `ref` names it. Restart or delete it.
 * - `running`, `restarting`: only a stopped child can be restarted or deleted, and that one is not.
 * - `not_found`: no child, supervisor or actor at that path.
 * - `not_local`: that actor lives on another node.
 * - `not_running`: the supervisor is down or on its way down.
 * - `init-timeout`: init did not settle within `startMs`.
 * - `stopped`: a start was given up because a stop was asked for.
 * - `handler-timeout`: a handler did not settle within `handlerTimeoutMs`.
 * - `thread-exit`: the worker thread of an actor ended by itself, or could not be started.
 * - `out-of-memory`: the worker thread of an actor needed more than it may have.
 * - `unresponsive`: the worker thread of an actor stood still for too long and was terminated.
 * - `in-thread`: an actor in a worker thread asked for what only the tree's own thread can do.
 * - `intensity`: more restarts than the supervisor allows; `cause` is the last child's error.
 */
export type SupervisionErrorCode =
  | "malformed"
  | "already_started"
  | "already_present"
  | "running"
  | "restarting"
  | "not_found"
  | "not_local"
  | "not_running"
  | "init-timeout"
  | "stopped"
  | "handler-timeout"
  | "thread-exit"
  | "out-of-memory"
  | "unresponsive"
  | "in-thread"
  | "intensity";

export class SupervisionError extends Error {
  readonly code: SupervisionErrorCode;
  /** Whom the error is about, where it is somebody. */
  readonly ref: AnyRef | undefined;
  constructor(
    code: SupervisionErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly ref?: AnyRef } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "SupervisionError";
    this.code = code;
    this.ref = options.ref;
  }
}
