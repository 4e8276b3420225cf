/**
 * Errors and exit reasons as plain values, so that class, code, data and cause are still there in another
 * thread: the structured clone keeps of an error only its message and stack.
 */
import { AskError, type AskErrorCode, Refusal } from "../ask-error.ts";
import type { ExitReason } from "../exit-reason.ts";
import { toError } from "../exit-reason.ts";
import { SupervisionError, type SupervisionErrorCode } from "../supervision-error.ts";

export interface PlainError {
  readonly kind: "error" | "refusal" | "ask" | "supervision";
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: unknown;
  readonly data: unknown;
  readonly cause: PlainError | undefined;
}

export type PlainReason =
  | { readonly kind: Exclude<ExitReason["kind"], "error" | "shutdown"> }
  | { readonly kind: "shutdown"; readonly cause: PlainError | undefined }
  | { readonly kind: "error"; readonly error: PlainError };

/** A chain of causes is cut here; it could also be a ring. */
const longestChain = 8;

export function toPlainError(thrown: unknown, depth = 1): PlainError {
  const error = toError(thrown);
  const { name, message, stack, cause } = error;
  const hasCause = cause !== undefined && depth < longestChain;
  return {
    kind:
      error instanceof Refusal
        ? "refusal"
        : error instanceof AskError
          ? "ask"
          : error instanceof SupervisionError
            ? "supervision"
            : "error",
    name,
    message,
    stack,
    code: "code" in error && isPlain(error.code) ? error.code : undefined,
    data: error instanceof Refusal ? error.data : undefined,
    cause: hasCause ? toPlainError(cause, depth + 1) : undefined,
  };
}

export function fromPlainError(plain: PlainError): Error {
  const options = plain.cause ? { cause: fromPlainError(plain.cause) } : {};
  const error = build(plain, options);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}

function build(plain: PlainError, options: { readonly cause?: Error }): Error {
  const { kind, name, message, code, data } = plain;
  switch (kind) {
    case "refusal":
      return new Refusal(message, { code: String(code), data, ...options });
    case "ask":
      return new AskError(code as AskErrorCode, message, options);
    case "supervision":
      return new SupervisionError(code as SupervisionErrorCode, message, options);
    case "error": {
      const error = new Error(message, options);
      if (error.name !== name) define(error, "name", name);
      if (code !== undefined) define(error, "code", code);
      return error;
    }
  }
}

const define = (error: Error, key: string, value: unknown) =>
  Object.defineProperty(error, key, { value, configurable: true, writable: true });

const isPlain = (code: unknown) => typeof code === "string" || typeof code === "number";

export function toPlainReason(reason: ExitReason): PlainReason {
  if (reason.kind === "error") return { kind: "error", error: toPlainError(reason.error) };
  if (reason.kind === "shutdown") {
    return { kind: "shutdown", cause: reason.cause && toPlainError(reason.cause) };
  }
  return reason;
}

export function fromPlainReason(plain: PlainReason): ExitReason {
  if (plain.kind === "error") return { kind: "error", error: fromPlainError(plain.error) };
  if (plain.kind !== "shutdown") return plain;
  return plain.cause
    ? { kind: "shutdown", cause: fromPlainError(plain.cause) }
    : { kind: "shutdown" };
}

/** The same without what its thrower put into it, for when that cannot be cloned. */
export function barePlainError(plain: PlainError): PlainError {
  return { ...plain, data: undefined, cause: plain.cause && barePlainError(plain.cause) };
}

/** Whether a value can be sent to another thread; `undefined` when it can, else why not. */
export function whyNotCloneable(value: unknown): Error | undefined {
  try {
    structuredClone(value);
    return undefined;
  } catch (thrown) {
    return toError(thrown);
  }
}
