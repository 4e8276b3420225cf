/**
 * The header format that METADATA and WHEEL share: RFC 822-like fields, folded lines, then a body. Called
 * by the readers of both. As lenient as installers are: it reads any text and leaves judgement to them.
 */

export interface HeaderFields {
  /** Values by field name in lower case, in their order; a folded value keeps its lines. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** After the first empty line; empty where there is none. */
  readonly body: string;
}

/** Reads UTF-8 or text. Bytes that are no UTF-8 and NUL, which no database text holds, become U+FFFD. */
export function parseHeaderFields(source: string | Uint8Array): HeaderFields {
  const decoded = typeof source === "string" ? source : new TextDecoder("utf-8").decode(source);
  const text = decoded
    .replace(/^\uFEFF/, "")
    .replaceAll("\0", "\uFFFD")
    .replace(/\r\n?/g, "\n");
  const fields = new Map<string, string[]>();
  let last: string[] | undefined;
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    if (line === "") return { fields, body: text.slice(end + 1) };
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) last.push(`${last.pop() ?? ""}\n${unfold(line)}`);
    } else {
      const colon = line.indexOf(":");
      // A line that is no field ends the header: the body begins with it.
      if (colon < 1 || /\s/.test(line.slice(0, colon))) return { fields, body: text.slice(start) };
      const name = line.slice(0, colon).toLowerCase();
      last = fields.get(name) ?? [];
      last.push(line.slice(colon + 1).trim());
      fields.set(name, last);
    }
    start = end + 1;
  }
  return { fields, body: "" };
}

/** Writers indent by eight blanks, or seven and a bar where the text itself may begin with blanks. */
const unfold = (line: string) => line.replace(/^(?: {7}\||[ \t]{1,8})/, "");
