/** The two ways in which a question ends without its answer: the runtime's, and the callee's own no. */

/**
 * - `timeout`: no answer in time; whether the work was done is unknown.
 * - `dead`: nobody lives there, or the callee ended before it answered.
 * - `crashed`: the callee crashed with this question in hand; `cause` is its error.
 * - `aborted`: the asker's signal was aborted, or the asker itself has ended.
 * - `rejected`: the callee's mailbox is full.
 * - `failed`: the callee answered with an error and lives on; `cause` is that error. Also when question
 *   or answer could not be encoded, or did not pass its protocol's check on another node.
 * - `noconnection`: the callee's node is out of reach or began anew; whether the work was done is unknown.
 */
export type AskErrorCode =
  | "timeout"
  | "dead"
  | "crashed"
  | "aborted"
  | "rejected"
  | "failed"
  | "noconnection";

export class AskError extends Error {
  readonly code: AskErrorCode;
  constructor(code: AskErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "AskError";
    this.code = code;
  }
}

/**
 * Thrown by a handler to answer a question with an error and live on; any other error is a crash. The
 * asker's promise rejects with this very object, so `code` and `data` are for it to read.
 */
export class Refusal extends Error {
  readonly code: string;
  readonly data: unknown;
  constructor(
    message: string,
    options: { readonly code: string; readonly data?: unknown; readonly cause?: unknown },
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "Refusal";
    this.code = options.code;
    this.data = options.data;
  }
}
