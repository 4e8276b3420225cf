import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readChangelog, readSerial } from "../../../protocol/upstream/changelog.ts";
import { UpstreamError } from "../../../protocol/upstream/upstream-error.ts";
import { XmlRpcReader, type XmlRpcValue } from "../../../protocol/upstream/xml-rpc-reader.ts";
import { changelogResponse } from "../../../samples/index.ts";
import { inPieces } from "./harness.ts";

function read(xml: string): { items: XmlRpcValue[]; value: XmlRpcValue } {
  const items: XmlRpcValue[] = [];
  const reader = new XmlRpcReader((item) => items.push(item));
  reader.write(xml);
  return { items, value: reader.end() };
}

const answer = (value: string): string =>
  `<?xml version='1.0'?><methodResponse><params><param>${value}</param></params></methodResponse>`;

describe("an XML-RPC answer", () => {
  it.each<[string, XmlRpcValue]>([
    ["<value><int>-7</int></value>", -7],
    ["<value><i8> 12345678901 </i8></value>", 12_345_678_901],
    ["<value><boolean>1</boolean></value>", true],
    ["<value><double>1.5</double></value>", 1.5],
    ["<value><nil/></value>", null],
    ["<value><string>a &amp; &#233; <![CDATA[<b>]]></string></value>", "a & é <b>"],
    ["<value><string/></value>", ""],
    ["<value> bare </value>", " bare "],
    ["<value/>", ""],
    ["<value>\n<int>1</int>\n</value>", 1],
    ["<value><base64>AAA=</base64></value>", "AAA="],
    [
      "<value><struct><member><name>a</name><value>x</value></member></struct></value>",
      new Map([["a", "x"]]),
    ],
  ])("%s is %j", (xml, value) => {
    expect(read(answer(xml)).value).toEqual(value);
  });

  it("hands on the elements of its array, nested ones whole", () => {
    const inner =
      "<value><array><data><value>x</value><value><nil/></value></data></array></value>";
    const xml = `<value><array><data>${inner}<value><int>1</int></value></data></array></value>`;
    expect(read(answer(xml))).toEqual({ items: [["x", null], 1], value: [] });
  });

  it.each([
    ["no XML", "hello"],
    ["cut off", answer("<value><int>1</int></value>").slice(0, -5)],
    ["HTML", "<html><body><br></body></html>"],
    ["another document", "<methodCall/>"],
    ["without a value", "<methodResponse><params/></methodResponse>"],
    ["with a parameter that is empty", answer("")],
    ["with an integer that is none", answer("<value><int>1e3</int></value>")],
    ["with an integer beyond reach", answer("<value><i8>99999999999999999999</i8></value>")],
    ["with a boolean that is none", answer("<value><boolean>yes</boolean></value>")],
    ["with a number that is none", answer("<value><double>NaN</double></value>")],
    ["with an unknown type", answer("<value><float>1</float></value>")],
    ["with two values in one", answer("<value><int>1</int><int>2</int></value>")],
    ["with text among elements", answer("<value><array>x<data/></array></value>")],
    ["with an array that holds nothing", answer("<value><array/></value>")],
    [
      "with a member without a name",
      answer("<value><struct><member><value>x</value></member></struct></value>"),
    ],
    ["with a fault that says nothing", "<methodResponse><fault/></methodResponse>"],
    [
      "with a fault that is no struct",
      "<methodResponse><fault><value>x</value></fault></methodResponse>",
    ],
    ["with a character that XML has not", answer("<value>&#0;</value>")],
    ["with a value that is far too long", answer(`<value>${"x".repeat(100_001)}</value>`)],
    [
      "nested too deeply",
      answer(`${"<value><array><data>".repeat(20)}${"</data></array></value>".repeat(20)}`),
    ],
    ["with a document type", answer("<value>b</value>").replace("?>", "?><!DOCTYPE x>")],
    [
      "with entities that grow",
      answer("<value>&b;</value>").replace(
        "?>",
        '?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
      ),
    ],
    ["with an entity of its own", answer("<value>&secret;</value>")],
  ])("%s is garbled", (_what, xml) => {
    expect(() => read(xml)).toThrow(UpstreamError);
    expect(() => read(xml)).toThrow(expect.objectContaining({ code: "garbled" }) as Error);
  });
});

describe("a changelog", () => {
  const text = fc.string({ unit: fc.constantFrom(..."abc <>&'\"é漢😀]"), minLength: 1 });
  const anyRow = fc.record({
    name: text,
    version: fc.option(text, { nil: null }),
    at: fc.integer(),
    action: fc.oneof(fc.constant(""), text),
    serial: fc.nat(),
  });

  it("is read as it was written, wherever the network cuts it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow), fc.integer({ min: 1, max: 200 }), async (rows, length) => {
        const xml = changelogResponse(rows);
        expect(await readChangelog(inPieces(xml, length))).toEqual(rows);
      }),
      { numRuns: 100 },
    );
  });

  /** What the parser alone makes of it; undefined where it is garbled. */
  const parsed = (xml: string): unknown => {
    try {
      const { items } = read(xml);
      return items.map((item) => {
        const [name, version, at, action, serial] = item as [
          string,
          string,
          number,
          string,
          number,
        ];
        return { name, version: version === "" ? null : version, at, action, serial };
      });
    } catch {
      return undefined;
    }
  };
  const row = (name: string, serial: number): string =>
    `<value><array><data>\n<value><string>${name}</string></value>\n<value><nil/></value>\n<value><int>1</int></value>\n` +
    `<value><string>create</string></value>\n<value><int>${serial}</int></value>\n</data></array></value>`;
  const part = fc.oneof(
    { weight: 3, arbitrary: fc.nat(99).map((serial) => row(`p${serial}`, serial)) },
    fc.constantFrom(
      ...[
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x",
        "?>",
        "<data>",
        "</data>",
        "<value>",
        "</value>",
        "\n",
      ],
      ...["<array>", "</array>", "</data></array></value>", "text", "&amp;", "\u0001", "\ud800"],
      row("a&amp;b", 7),
      row("a]b", 7),
      row("", 7),
      row("p", 7).replace("<int>", "<i4>").replace("</int>", "</i4>"),
      row("p", 7).replaceAll("\n", ""),
      row("p", 7).replace("<data>", "<data ><!-- -->"),
      row("p", 7).replace("create", "a\r\nb"),
      `<!-- ${row("no", 8)}${row("no", 8)} -->`,
      `<value><struct><member><name>a</name>${row("no", 9)}</member></struct></value>`,
    ),
  );

  it("is what a parser makes of it, whatever stands among its rows", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 8 }),
        fc.integer({ min: 1, max: 400 }),
        async (parts, length) => {
          const xml = answer(`<value><array><data>\n${parts.join("")}</data></array></value>`);
          const expected = parsed(xml);
          const rows = await readChangelog(inPieces(xml, length)).catch(() => undefined);
          // What is no row is garbled for a changelog, and a value for the parser.
          if (rows !== undefined) expect(rows).toEqual(expected);
          else if (Array.isArray(expected)) expect(expected.every(isRow)).toBe(false);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  const isRow = (value: unknown): boolean => {
    const { name, serial } = value as { name: unknown; serial: unknown };
    return typeof name === "string" && name !== "" && typeof serial === "number";
  };

  it("takes an empty version for none, and columns of a newer server", async () => {
    const row =
      "<value>n</value><value></value><value><int>1</int></value><value>create</value><value><int>2</int></value><value>new</value>";
    const xml = answer(
      `<value><array><data><value><array><data>${row}</data></array></value></data></array></value>`,
    );
    expect(await readChangelog(inPieces(xml, 30))).toEqual([
      { name: "n", version: null, at: 1, action: "create", serial: 2 },
    ]);
  });

  it.each(["<value>x</value>", "<value><int>-1</int></value>", "<value><nil/></value>"])(
    "%s is neither a changelog nor a serial",
    async (value) => {
      await expect(readChangelog(inPieces(answer(value), 50))).rejects.toThrow(UpstreamError);
      await expect(readSerial(inPieces(answer(value), 50))).rejects.toThrow(UpstreamError);
    },
  );
});
