/** An error as one clear line, for standard error. The stack is for those who ask with `-v -v`. */
import { inspect } from "node:util";
import { harmless } from "../config/log-line.ts";

/** A chain of causes longer than this is cut. */
const MAX_CAUSES = 5;
const MAX_CHARS = 2_000;

/** The message with those of its causes that it does not repeat, on one line. */
export function failureLine(error: unknown): string {
  const said: string[] = [];
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined; depth++) {
    const message = ownMessage(current);
    if (message !== "" && !said.some((earlier) => earlier.includes(message))) {
      said.push(message);
    }
    current = nextCause(current);
  }
  const line = harmless(said.join(": ").replace(/\s*\n\s*/g, " ")).trim();
  return line === "" ? "unknown failure" : line.slice(0, MAX_CHARS);
}

function ownMessage(error: unknown): string {
  if (!(error instanceof Error)) {
    return typeof error === "string"
      ? error
      : inspect(error, { breakLength: Number.POSITIVE_INFINITY });
  }
  // A failed connection to a name with several addresses has no message of its own.
  if (error.message === "" && !(error instanceof AggregateError)) {
    return error.name;
  }
  return error.message.trim();
}

function nextCause(error: unknown): unknown {
  if (error instanceof AggregateError) {
    return (error.errors as unknown[])[0] ?? error.cause;
  }
  return error instanceof Error ? error.cause : undefined;
}
