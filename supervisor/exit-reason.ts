/** Why an actor ended, in OTP's words; seen by supervisors, by `stop` and by death watch. */

/**
 * - `normal`: it had finished (`ctx.exit()`).
 * - `shutdown`: its supervisor stopped it, or a supervisor gave up (`cause` says why).
 * - `killed`: it did not stop within its deadline and was fenced.
 * - `error`: it crashed.
 * - `noconnection`: the node that it lived on is out of reach.
 * - `noproc`: nobody lived at the watched path.
 */
export type ExitReason =
  | { readonly kind: "normal" }
  | { readonly kind: "shutdown"; readonly cause?: Error }
  | { readonly kind: "killed" }
  | { readonly kind: "error"; readonly error: Error }
  | { readonly kind: "noconnection" }
  | { readonly kind: "noproc" };

/** What a watcher is told, once, when the watched actor has ended for good (a restart is no end). */
export interface Terminated {
  readonly path: string;
  /** The last incarnation that lived there; 0 when none did. */
  readonly incarnation: number;
  readonly reason: ExitReason;
}

/** An end that a `transient` child is not restarted after. */
export function isOrderly(reason: ExitReason): boolean {
  return reason.kind === "normal" || reason.kind === "shutdown";
}

/** One line for logs and the tree. */
export function describeExit(reason: ExitReason): string {
  if (reason.kind === "error") return `error: ${reason.error.message}`;
  if (reason.kind === "shutdown" && reason.cause) return `shutdown: ${reason.cause.message}`;
  return reason.kind;
}

/** What was thrown, as an Error: a thrown string or object becomes the message or the cause. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (typeof thrown === "string") return new Error(thrown);
  return new Error("something that is no Error was thrown", { cause: thrown });
}
