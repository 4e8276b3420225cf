import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appendLog, MAX_LINES, noLog, shownLines } from "../../../actors/monitor/state/log-tail.ts";

const said = (...parts: string[]) => shownLines(parts.reduce(appendLog, noLog));

describe("the end of a log", () => {
  test.each([
    ["lines", ["one\ntwo\n"], ["one", "two"]],
    ["a line that goes on", ["on", "e\ntw"], ["one", "tw"]],
    ["line ends of Windows, cut in two", ["one\r", "\ntwo\r\n"], ["one", "two"]],
    ["a bar that is drawn again and again", ["10 %\r20 %\r", "30 %\r40 %"], ["40 %"]],
    ["a bar that ends", ["10 %\r100 %\r\ndone\n"], ["100 %", "done"]],
  ])("has %s", (_what, parts, lines) => {
    expect(said(...parts)).toEqual(lines);
  });

  test("is the same however it was cut", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.nat(60), (whole, cut) => {
        expect(said(whole.slice(0, cut), whole.slice(cut))).toEqual(said(whole));
      }),
    );
  });

  test("is bounded in lines, and in the length of each", () => {
    const tail = appendLog(noLog, `${"line\n".repeat(5_000)}${"x".repeat(100_000)}`);
    expect(tail.lines).toHaveLength(MAX_LINES);
    expect(tail.partial.length).toBeLessThan(5_000);
    expect(appendLog(tail, "y".repeat(100_000)).partial.length).toBeLessThan(5_000);
  });
});
