/** What servers escape comes out as it went in, byte for byte. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unescapeField } from "../../../protocol/accesslog/escaped-text.ts";
import { parseLogFormat } from "../../../protocol/accesslog/log-format.ts";

const hex = (byte: number) => byte.toString(16).padStart(2, "0");
const apacheLetters: Readonly<Record<number, string>> = {
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};
const servers: readonly (readonly [name: string, escape: (byte: number) => string])[] = [
  [
    "Apache",
    (byte) =>
      apacheLetters[byte] ??
      (byte < 32 || byte > 126 ? `\\x${hex(byte)}` : String.fromCharCode(byte)),
  ],
  [
    "nginx",
    (byte) =>
      byte < 32 || byte > 126 || byte === 34 || byte === 92
        ? `\\x${hex(byte).toUpperCase()}`
        : String.fromCharCode(byte),
  ],
  // nginx with `escape=none` and odd modules leave bytes as they are.
  [
    "nobody but for quotes",
    (byte) => (byte === 34 || byte === 92 ? `\\x${hex(byte)}` : String.fromCharCode(byte)),
  ],
];

describe.each(servers)("a text that %s escaped", (_name, escapeByte) => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.string(),
  );

  it("comes out as it was", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const field = [...Buffer.from(text, "utf8")].map(escapeByte).join("");
        expect(unescapeField(field)).toBe(Buffer.from(text, "utf8").toString("utf8"));
      }),
    );
  });

  it("is cut out of its line whole", () => {
    const format = parseLogFormat('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"');
    fc.assert(
      fc.property(texts, texts, (agent, referer) => {
        const field = (text: string) => [...Buffer.from(text, "utf8")].map(escapeByte).join("");
        const line = `::1 - - [x] "GET / HTTP/1.1" 200 - "${field(referer)}" "${field(agent)}"`;
        expect(format.split(line)).toMatchObject({
          request: "GET / HTTP/1.1",
          status: "200",
          userAgent: field(agent),
        });
      }),
    );
  });
});

describe("an escape that no server writes", () => {
  it.each(["\\q", "\\x4", "\\xzz", "a\\", "\\u0041"])("stays: %s", (text) => {
    expect(unescapeField(text)).toBe(text);
  });
});
