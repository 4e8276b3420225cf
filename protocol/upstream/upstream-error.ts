/** The one error that the upstream client throws; who catches it decides by its code how long to back off. */

/**
 * - `unreachable`: no answer, a cut or late one, a server error (5xx), or the call was given up by its signal.
 * - `busy`: asked too often (429, 503, or XML-RPC fault -32500); `retryAfterMs` where the server says it.
 * - `refused`: the server understood and will not (other 4xx, other faults): asking again is of no use.
 * - `garbled`: an answer that is not what the protocol promises, or is larger than the limit.
 */
export type UpstreamErrorCode = "unreachable" | "busy" | "garbled" | "refused";

export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly code: UpstreamErrorCode;
  /** Only with `busy`; between 0 and an hour, whatever the server asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: UpstreamErrorCode,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Anything caught, as an UpstreamError; what is none yet came out of reading an answer. */
export const asUpstreamError = (error: unknown): UpstreamError =>
  error instanceof UpstreamError
    ? error
    : new UpstreamError("garbled", `the answer could not be read: ${textOf(error)}`, {
        cause: error,
      });

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const MAX_RETRY_AFTER_MS = 3_600_000;

/** What a server asks for, held between 0 and an hour; undefined where it is no number. */
export const boundedRetryMs = (askedMs: number): number | undefined =>
  Number.isFinite(askedMs) ? Math.min(Math.max(askedMs, 0), MAX_RETRY_AFTER_MS) : undefined;
