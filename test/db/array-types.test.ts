import fc from "fast-check";
import { expect, test } from "vitest";
import { parseArray, serializeArray } from "../../db/array-types.ts";

test("any array of texts and NULLs comes back from its written form", () => {
  const element = fc.option(fc.string({ unit: "binary" }), { nil: null });
  fc.assert(
    fc.property(fc.array(element), (items) => {
      expect(parseArray(serializeArray(items, undefined), undefined)).toEqual(items);
    }),
  );
});

test.each([
  ["{}", []],
  [
    "{{1,2},{3,4}}",
    [
      ["1", "2"],
      ["3", "4"],
    ],
  ],
  ['{NULL,"NULL",null}', [null, "NULL", "null"]],
  ["[2:3]={a,b}", ["a", "b"]],
  ['{"a\\\\b\\"c",d e}', ['a\\b"c', "d e"]],
])("%s is read", (text, expected) => {
  expect(parseArray(text, undefined)).toEqual(expected);
});

test.each(["", "{", "{a", '{"a', "{a}}", "{a,,b}", "a"])("%j is refused", (text) => {
  expect(() => parseArray(text, undefined)).toThrow(SyntaxError);
});

test("a forgotten value is an error, not NULL", () => {
  expect(() => serializeArray(["a", undefined], undefined)).toThrow("undefined element");
});
