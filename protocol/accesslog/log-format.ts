/**
 * How a line of an access log is laid out: an Apache LogFormat string, or the name of a common one, as the list of its
 * fields and what stands between them. Fields are found by searching for what follows, without going back, so
 * that a line takes time linear in its length whatever it holds. nginx's `combined` is Apache's.
 *
 * Source: Apache HTTP Server, "mod_log_config".
 */

/** What is taken from a line; everything else is skipped. */
export type FieldName =
  | "address"
  | "host"
  | "time"
  | "seconds"
  | "milliseconds"
  | "microseconds"
  | "request"
  | "method"
  | "path"
  | "status"
  | "userAgent";

interface Field {
  readonly name: FieldName | undefined;
  /** What stands behind it, "" at the line's end. */
  readonly after: string;
  /** In quotes: ends at the first quote that is not escaped. */
  readonly isQuoted: boolean;
}

/** The fields of a line by name, still escaped. */
export type Fields = { [Name in FieldName]?: string };

export interface LogFormat {
  /** As it was given. */
  readonly text: string;
  readonly fields: ReadonlySet<FieldName>;
  /** Undefined where the line is not laid out so. */
  split(line: string): Fields | undefined;
}

export const namedFormats: Readonly<Record<string, string>> = {
  common: '%h %l %u %t "%r" %>s %b',
  common_vhost: '%v %h %l %u %t "%r" %>s %b',
  combined: '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
};

/** The format cannot be used; the message is one line that says why. */
export class LogFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LogFormatError";
  }
}

const MAX_FORMAT_CHARS = 2_000;

/**
 * Reads a name of `namedFormats` or a LogFormat string. Directives that are not needed may be any.
 * @throws LogFormatError where it cannot tell a visit (no time, status or request), or fields from each other
 */
export function parseLogFormat(text: string): LogFormat {
  const format = Object.hasOwn(namedFormats, text) ? (namedFormats[text] ?? "") : text;
  if (!format.includes("%")) {
    const names = Object.keys(namedFormats).join(", ");
    throw new LogFormatError(
      `"${text}" is neither one of ${names} nor a LogFormat string such as '%h %l %u %t "%r" %>s %b'`,
    );
  }
  if (format.length > MAX_FORMAT_CHARS) throw new LogFormatError("the format is too long");
  const { before, fields } = fieldsOf(partsOf(format));
  const names = new Set(fields.flatMap(({ name }) => (name === undefined ? [] : [name])));
  refuseUnfit(names);
  return { text, fields: names, split: (line) => split(line, before, fields) };
}

function refuseUnfit(names: ReadonlySet<FieldName>): void {
  const hasAny = (...wanted: readonly FieldName[]) => wanted.some((name) => names.has(name));
  if (!hasAny("time", "seconds", "milliseconds", "microseconds"))
    throw new LogFormatError("the format has no time (%t)");
  if (!hasAny("status")) throw new LogFormatError("the format has no status (%>s)");
  if (!hasAny("request") && !(hasAny("method") && hasAny("path")))
    throw new LogFormatError('the format has no request ("%r", or %m and %U)');
}

type Part =
  | { readonly literal: string }
  | { readonly directive: string; readonly name: FieldName | undefined };

/** A directive: modifiers, perhaps an argument in braces, and a letter (or `^` and two). */
const directivePattern = /%(?:%|[!\d,]*([<>]?)(?:\{([^{}]*)\})?[<>]?(\^[A-Za-z]{2}|[A-Za-z]))/y;

function partsOf(format: string): Part[] {
  const parts: Part[] = [];
  const addLiteral = (literal: string): void => {
    const last = parts.at(-1);
    if (last !== undefined && "literal" in last)
      parts[parts.length - 1] = { literal: last.literal + literal };
    else parts.push({ literal });
  };
  for (let at = 0; at < format.length; ) {
    const rest = format[at] ?? "";
    if (rest === "\\" && /["\\tn]/.test(format[at + 1] ?? "")) {
      // As LogFormat writes them in Apache's configuration file.
      addLiteral({ t: "\t", n: "\n" }[format[at + 1] ?? ""] ?? format[at + 1] ?? "");
      at += 2;
      continue;
    }
    if (rest !== "%") {
      addLiteral(rest);
      at += 1;
      continue;
    }
    directivePattern.lastIndex = at;
    const match = directivePattern.exec(format);
    if (match === null)
      throw new LogFormatError(
        `the format has "${format.slice(at, at + 20)}", which is no directive`,
      );
    const [directive, which = "", argument, letter] = match;
    at = directivePattern.lastIndex;
    if (letter === undefined) {
      addLiteral("%");
    } else if (letter === "t" && (argument ?? "") === "") {
      // The brackets are the server's: with them a user's name before it may hold spaces.
      addLiteral("[");
      parts.push({ directive, name: "time" });
      addLiteral("]");
    } else {
      parts.push({ directive, name: nameOf(letter, argument, which, directive) });
    }
  }
  return parts;
}

function nameOf(
  letter: string,
  argument: string | undefined,
  which: string,
  directive: string,
): FieldName | undefined {
  switch (letter) {
    case "a":
      // Of the client, not of a proxy in front of it.
      return argument === undefined ? "address" : undefined;
    case "h":
      return "host";
    case "r":
      return "request";
    case "m":
      return "method";
    case "U":
      return "path";
    case "s":
      // The last status, that of the answer; `%<s` is that of before an internal redirect.
      return which === "<" ? undefined : "status";
    case "i":
      return argument?.toLowerCase() === "user-agent" ? "userAgent" : undefined;
    case "t":
      return timeNameOf(argument ?? "", directive);
    default:
      return undefined;
  }
}

function timeNameOf(argument: string, directive: string): FieldName | undefined {
  const unit = argument.replace(/^begin:/, "");
  const names: Readonly<Record<string, FieldName>> = {
    sec: "seconds",
    msec: "milliseconds",
    usec: "microseconds",
  };
  if (Object.hasOwn(names, unit)) return names[unit];
  // The end of the request, or a fraction beside another time.
  if (/^end:|^[mu]sec_frac$/.test(unit)) return undefined;
  throw new LogFormatError(
    `the format has the time ${directive}: only %t, %{sec}t, %{msec}t and %{usec}t can be read`,
  );
}

function fieldsOf(parts: readonly Part[]): { before: string; fields: Field[] } {
  const fields: Field[] = [];
  const first = parts[0];
  const before = first !== undefined && "literal" in first ? first.literal : "";
  const literalAt = (index: number): string => {
    const part = parts[index];
    return part !== undefined && "literal" in part ? part.literal : "";
  };
  for (const [index, part] of parts.entries()) {
    if ("literal" in part) continue;
    const next = parts[index + 1];
    let after = literalAt(index + 1);
    if (next !== undefined && "directive" in next) {
      // A query is empty or begins with its question mark; it goes with the path, from which it is cut later.
      if (part.name === "path" && next.directive.endsWith("q")) after = literalAt(index + 2);
      else
        throw new LogFormatError(
          `the format has nothing between ${part.directive} and ${next.directive}: they cannot be told apart`,
        );
    }
    const isQueryOfPath =
      part.directive.endsWith("q") && fields.at(-1)?.name === "path" && literalAt(index - 1) === "";
    if (isQueryOfPath) continue;
    const isQuoted = literalAt(index - 1).endsWith('"') && after.startsWith('"');
    const isKnown = fields.some(({ name }) => name === part.name);
    fields.push({ name: isKnown ? undefined : part.name, after, isQuoted });
  }
  return { before, fields };
}

function split(line: string, before: string, fields: readonly Field[]): Fields | undefined {
  if (!line.startsWith(before)) return undefined;
  const found: Fields = {};
  let at = before.length;
  for (const { name, after, isQuoted } of fields) {
    const end = isQuoted
      ? quoteEnd(line, at)
      : after === ""
        ? line.length
        : line.indexOf(after, at);
    if (end === -1) return undefined;
    if (isQuoted && !line.startsWith(after, end)) return undefined;
    if (name !== undefined) found[name] = line.slice(at, end);
    at = end + after.length;
  }
  // What was added behind the fields that the format names does no harm, but cut in the middle of one does.
  return found;
}

/** Of the first quote with an even number of backslashes before it; -1 where there is none. */
function quoteEnd(line: string, from: number): number {
  for (let end = line.indexOf('"', from); end !== -1; end = line.indexOf('"', end + 1)) {
    let before = end - 1;
    while (before >= from && line.charCodeAt(before) === 0x5c) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return -1;
}
