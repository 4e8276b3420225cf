/** What supervisors refuse or give up with. */
import type { AnyRef } from "./actor-ref.ts";

/**
 * - `malformed`: the child spec cannot be meant; nothing was started.
 * - `already_started`: a child of that id is there; `ref` names it.
 * - `not_found`: no child or supervisor at that path.
 * - `not_dynamic`: children cannot be added to that supervisor.
 * - `not_running`: the supervisor is down or on its way down.
 * - `init-timeout`: init did not settle within `startMs`.
 * - `stopped`: a start was given up because a stop was asked for.
 * - `handler-timeout`: a handler did not settle within `handlerTimeoutMs`.
 * - `intensity`: more restarts than the supervisor allows; `cause` is the last child's error.
 */
export type SupervisionErrorCode =
  | "malformed"
  | "already_started"
  | "not_found"
  | "not_dynamic"
  | "not_running"
  | "init-timeout"
  | "stopped"
  | "handler-timeout"
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
