import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanText, fitted, widthOf } from "../../../actors/monitor/terminal/clean-text.ts";

const ESC = "\u001b";

describe("what strangers say", () => {
  test.each([
    ["a colour", `${ESC}[31mred${ESC}[0m`, "red"],
    ["a cleared screen", `before${ESC}[2J${ESC}[Hafter`, "beforeafter"],
    ["a title", `${ESC}]0;owned\u0007label`, "label"],
    ["an 8-bit sequence", "a\u009b2Jb", "ab"],
    ["a bell, a backspace, a null", "a\u0007b\bc\0d", "abcd"],
    ["lines and tabs", "one\r\n\ttwo\u2028three", "one two three"],
    ["another direction of writing", "abc\u202edef\u2066", "abcdef"],
    ["joiners and variants", "a\u200db\ufe0f", "ab"],
    ["marks that pile up", `z${"\u0301".repeat(50)}algo`, "źalgo"],
    ["a lone surrogate", "a\ud800b", "ab"],
    ["a flag", "x🇩🇪y", "xy"],
    ["wide letters, which stay", "日本語 wheel", "日本語 wheel"],
    ["letters with accents, which stay", "Žluťoučký", "Žluťoučký"],
  ])("%s is shown without harm", (_what, said, shown) => {
    expect(cleanText(said)).toBe(shown);
  });

  test("whatever it is, each character stands for itself, in one or two columns", () => {
    const units = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom(`${ESC}[`, "\u009b", "\u0301", "🇩", "ก", "ำ", "ᄀ", "ᅡ", "ﾞ", "👍", "🏽"),
    );
    fc.assert(
      fc.property(fc.array(units, { maxLength: 8 }), (parts) => {
        const clean = cleanText(parts.join(""));
        expect(clean).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        const widths = [...clean].map(widthOf);
        expect(widths.every((width) => width === 1 || width === 2)).toBe(true);
        expect(widthOf(clean)).toBe(widths.reduce((sum, width) => sum + width, 0));
      }),
      { numRuns: 1_000 },
    );
  });

  test("a very long one is cut before it costs anything", () => {
    expect(cleanText("x".repeat(1_000_000)).length).toBeLessThan(3_000);
  });
});

describe("a text in a column", () => {
  test.each([
    ["abc", 5, "abc  "],
    ["abcdef", 4, "abc…"],
    ["日本語", 6, "日本語"],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日… "],
    ["abc", 1, "…"],
    ["abc", 0, ""],
  ])("%s in %i columns", (text, columns, expected) => {
    expect(fitted(text, columns)).toBe(expected);
    expect(widthOf(fitted(text, columns))).toBe(columns);
  });

  test("stands at the right where it is a number", () => {
    expect(fitted("42", 5, "right")).toBe("   42");
  });
});
