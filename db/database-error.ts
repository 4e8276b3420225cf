/**
 * What an error from the database means for whoever asked: try again, wait, or give up. Used by
 * Seraph and by whoever runs a transaction; the errors themselves stay what the driver made of them.
 */

/**
 * No session could be opened: nothing was sent, so asking again later is always safe. `code` is the
 * operating system's or PostgreSQL's; the message is one line for people and has no password.
 */
export class DatabaseUnavailable extends Error {
  readonly code: string;
  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DatabaseUnavailable";
    this.code = code;
  }
}

/** Another master has the database now: this one's sessions are not let in any more. Nothing was sent. */
export class Superseded extends DatabaseUnavailable {
  constructor(message: string) {
    super(message, "SUPERSEDED");
    this.name = "Superseded";
  }
}

/** The session ended under a request: whether that took effect is unknown. */
export class ConnectionLost extends Error {
  readonly code = "CONNECTION_LOST";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConnectionLost";
  }
}

/** The driver's own words for a session that is gone, and the system's. */
const LOST_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECTION_LOST",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  // PostgreSQL: shut down, crashed, idle for too long (in a transaction, in the session, the transaction itself).
  "57P01",
  "57P02",
  "25P03",
  "57P05",
  "25P04",
]);

/**
 * PostgreSQL refuses the session: starting up, full, no such database, no such role, not let in. Or it has
 * rolled back whatever writes, for as long as its disk is full or it is a standby.
 */
const REFUSED_CODES = new Set([
  ...["57P03", "53300", "3D000", "28000", "28P01", "08001", "08004"],
  ...["53100", "25006"],
]);

/** Serialization failure, deadlock, a lock waited for too long: the transaction did nothing and may be run again. */
const RETRYABLE_CODES = new Set(["40001", "40P01", "55P03"]);

/** The connection ended while something was asked; the outcome is unknown. Run it again if it may be run twice. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  return (
    !isUnavailable(error) && code !== undefined && (LOST_CODES.has(code) || code.startsWith("08"))
  );
}

/** The transaction was rolled back for the sake of another one (40001, 40P01). */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && RETRYABLE_CODES.has(code);
}

/** There is no session to be had just now, or none that may write; nothing was done. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  const code = codeOf(error);
  return code !== undefined && REFUSED_CODES.has(code);
}

/** The SQLSTATE or system code of an error. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
