/**
 * Fields of a log line as they were before the server escaped them: Apache writes `\"`, `\\`, `\n` and the like and
 * `\xHH` per byte, nginx `\xHH` alone. Lines are taken as latin1, a character a byte; a field that has bytes
 * beyond ASCII is UTF-8 or becomes U+FFFD where it is not.
 */

const letters: Readonly<Record<string, string>> = {
  b: "\b",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  '"': '"',
  "\\": "\\",
};

const escapes = /\\(?:x([0-9A-Fa-f]{2})|(.))/gs;

/** What is no escape that these servers write stays as it is. */
export function unescapeField(field: string): string {
  if (isPlain(field)) return field;
  const bytes = field.includes("\\")
    ? field.replace(escapes, (all, hex: string | undefined, letter: string | undefined) =>
        hex === undefined
          ? (letters[letter ?? ""] ?? all)
          : String.fromCharCode(Number.parseInt(hex, 16)),
      )
    : field;
  return Buffer.from(bytes, "latin1").toString("utf8");
}

function isPlain(field: string): boolean {
  for (let at = 0; at < field.length; at += 1) {
    const code = field.charCodeAt(at);
    if (code === 0x5c || code > 0x7e) return false;
  }
  return true;
}
