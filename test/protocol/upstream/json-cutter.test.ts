import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonCutter } from "../../../protocol/upstream/json-cutter.ts";
import { UpstreamError } from "../../../protocol/upstream/upstream-error.ts";

/** Cuts `files` up and leaves `dropped` out, fed with pieces of that length. */
function cut(text: string, length: number): { rest: unknown; files: unknown[] } {
  const files: unknown[] = [];
  const arrays = { files: (element: unknown) => files.push(element) };
  const cutter = new JsonCutter({ arrays, dropped: ["dropped"] });
  for (let at = 0; at < text.length; at += length) cutter.write(text.slice(at, at + length));
  return { rest: cutter.end(), files };
}

const anyObject = fc.dictionary(
  fc.oneof(fc.constantFrom("files", "dropped", "name"), fc.string()),
  fc.jsonValue(),
  { noNullPrototype: true },
);

describe("a JSON object in pieces", () => {
  it("comes to the same as in one, whatever it holds and wherever it is cut", () => {
    fc.assert(
      fc.property(
        anyObject,
        fc.constantFrom(0, 2),
        fc.integer({ min: 1, max: 50 }),
        (object, indent, length) => {
          const text = JSON.stringify(object, null, indent);
          const { rest, files } = cut(text, length);
          const whole = JSON.parse(text) as Record<string, unknown>;
          if (Array.isArray(whole["files"])) {
            expect(files).toEqual(whole["files"]);
            whole["files"] = [];
          } else {
            expect(files).toEqual([]);
          }
          if ("dropped" in whole) whole["dropped"] = null;
          expect(rest).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("hands elements on before the object ends", () => {
    const files: unknown[] = [];
    const cutter = new JsonCutter({ arrays: { files: (file) => files.push(file) } });
    cutter.write('{"files": [{"a": 1}, {"b": "]"}, {"c"');
    expect(files).toEqual([{ a: 1 }, { b: "]" }]);
  });

  it.each([
    '{"files": [1, 2]',
    '{"files": [1, 2',
    '{"files": [1,, 2]}',
    '{"files": [1,]}',
    '{"files": [,]}',
    '{"files": [1 2]}',
    '{"files": [{]}}',
    '{"files": [1]]}',
    '{"dropped": {"a": 1}',
    '{"name": "x',
    '{"name": "\\u12"}',
    '{"\\x": 1}',
    "}",
    "",
    "{} {}",
  ])("is garbled where it is no JSON: %s", (text) => {
    for (const length of [1, 3, 100]) {
      expect(() => cut(text, length)).toThrow(UpstreamError);
      expect(() => cut(text, length)).toThrow(
        expect.objectContaining({ code: "garbled" }) as Error,
      );
    }
  });

  it("is said to be cut off where it is", () => {
    for (const text of ['{"a": 1', '{"a": "1', '{"files": [1', '{"dropped": [1'])
      expect(() => cut(text, 3)).toThrow("cut off");
  });

  it("is garbled where one element, or what remains, is too long", () => {
    const long = "x".repeat(1024 * 1024);
    expect(() => cut(`{"files": ["${long}"]}`, 10_000)).toThrow("too long");
    expect(() => cut(`{"name": "${long.repeat(4)}"}`, 10_000)).toThrow("too long");
    expect(cut(`{"dropped": "${long.repeat(5)}"}`, 10_000).rest).toEqual({ dropped: null });
  });

  it("takes nothing from a prototype", () => {
    expect(cut('{"constructor": [1], "__proto__": [2]}', 4).rest).toEqual(
      JSON.parse('{"constructor": [1], "__proto__": [2]}'),
    );
  });
});
