/**
 * One line that a program of the farm wrote, as far as a person watching the farm wants to see it: its
 * errors. Called by program.ts; the whole is in the program's log file.
 */

/** A line longer than this is cut; the file has it all. */
const MAX_CHARS = 500;

/** The text of an error line, undefined for what is no error. A line that is no log entry is one: programs say why they end. */
export function errorText(line: string): string | undefined {
  // Node's own warnings are for developers.
  if (line.trim() === "" || /^\(node:\d+\)|^\(Use `node /.test(line)) return undefined;
  const entry = parseEntry(line);
  if (entry === undefined) return harmless(line.trim());
  if (entry["level"] !== "error" && entry["level"] !== "fatal") return undefined;
  const { task, msg, err } = entry;
  const cause = isRecord(err) && typeof err["message"] === "string" ? err["message"] : "";
  const said = typeof msg === "string" ? msg : "";
  return harmless(
    [typeof task === "string" ? task : "", said, cause === said ? "" : cause]
      .filter((part) => part !== "")
      .join(": "),
  );
}

/** Without line breaks and what a terminal would take for a command. */
export const harmless = (text: string): string =>
  text
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .replaceAll(/[\p{Cf}\p{Co}\p{Cs}]/gu, "\uFFFD")
    .slice(0, MAX_CHARS);

function parseEntry(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) && "level" in value ? value : undefined;
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
