/**
 * A log record as a person reads it on a terminal: `task: message  package=… version=…`.
 *
 * Names, versions and errors come from strangers (an index, a slave, a build), so nothing in a line
 * may move the terminal's cursor or colour what follows.
 */

/** Written elsewhere in the line, or of no use to a person. */
const HIDDEN = new Set(["level", "time", "pid", "hostname", "name", "task", "actor", "msg", "err"]);

/** Longer values are cut: a line is read, not searched. */
const MAX_VALUE_CHARS = 300;

/**
 * @param record parsed from its JSON line
 * @param stacks whether an error's stack follows, on lines of its own
 */
export function logLine(record: Readonly<Record<string, unknown>>, stacks: boolean): string {
  const { msg, err } = record;
  const task = taskOf(record);
  const fields = Object.entries(record)
    .filter(([name, value]) => !HIDDEN.has(name) && value !== undefined)
    .map(([name, value]) => `${harmless(name)}=${shownValue(value)}`);
  const error = shownError(err, msg);
  const words = [
    task === undefined ? "" : `${harmless(task)}: `,
    typeof msg === "string" ? harmless(msg) : "",
    error === "" ? "" : `: ${error}`,
    fields.length === 0 ? "" : `  ${fields.join(" ")}`,
  ];
  const stack = stacks ? (err as { stack?: unknown } | undefined)?.stack : undefined;
  return words.join("") + (typeof stack === "string" ? `\n${harmless(stack, true)}` : "");
}

/** Whose line it is: the task it was bound to, or the id at the end of its actor's path. */
export function taskOf(record: Readonly<Record<string, unknown>>): string | undefined {
  const { task, actor } = record;
  if (typeof task === "string") {
    return task;
  }
  return typeof actor === "string" ? actor.slice(actor.lastIndexOf("/") + 1) : undefined;
}

function shownError(err: unknown, msg: unknown): string {
  const message = (err as { message?: unknown } | undefined)?.message;
  return typeof message === "string" && message !== msg ? harmless(message) : "";
}

function shownValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const quoted = typeof value === "string" && /[\s="]/.test(text) ? JSON.stringify(text) : text;
  const whole = harmless(quoted);
  return whole.length > MAX_VALUE_CHARS ? `${whole.slice(0, MAX_VALUE_CHARS)}…` : whole;
}

/** Control characters, also those that turn the direction of writing, become visible escapes. */
export function harmless(text: string, keepLines = false): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) =>
    keepLines && char === "\n"
      ? char
      : `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
}
