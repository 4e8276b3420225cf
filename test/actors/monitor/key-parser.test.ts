import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Input, KeyParser } from "../../../actors/monitor/terminal/key-parser.ts";

const ESC = "\u001b";
const bytes = (text: string) => Buffer.from(text);
const keys = (inputs: readonly Input[]) =>
  inputs.map((input) => (input.kind === "key" ? input.key : input));

function parsed(text: string): Input[] {
  const parser = new KeyParser();
  return [...parser.push(bytes(text)), ...parser.flush()];
}

describe("what is typed", () => {
  test.each([
    ["letters, each a key", "kz?", ["k", "z", "?"]],
    ["arrows", `${ESC}[A${ESC}[B${ESC}OC${ESC}[D`, ["up", "down", "right", "left"]],
    [
      "pages and ends",
      `${ESC}[5~${ESC}[6~${ESC}[H${ESC}[4~`,
      ["pageup", "pagedown", "home", "end"],
    ],
    ["tabs, enter, backspace", `\t${ESC}[Z\r\x7f`, ["tab", "backtab", "enter", "backspace"]],
    ["control keys", "\x03\x0c\x1a", ["ctrl-c", "ctrl-l", "ctrl-z"]],
    ["Escape alone", ESC, ["escape"]],
    ["Escape before a key with a sequence", `${ESC}${ESC}[A`, ["escape", "up"]],
    ["a letter with Alt, which is none of ours", `${ESC}k`, []],
    ["a sequence that nobody knows", `${ESC}[?1;2cq`, ["q"]],
    ["a letter of two bytes", "é", ["é"]],
  ])("%s", (_what, text, expected) => {
    expect(keys(parsed(text))).toEqual(expected);
  });

  test("is the same however it is cut", () => {
    const words = fc.constantFrom(
      ...["k", "é", "日", `${ESC}[A`, `${ESC}[5~`, `${ESC}[<0;3;4M`, `${ESC}OB`, "\r"],
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 8 }), fc.array(fc.nat(40)), (parts, cuts) => {
        const whole = bytes(parts.join(""));
        const parser = new KeyParser();
        const inputs: Input[] = [];
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), whole.length]) {
          inputs.push(...parser.push(whole.subarray(from, Math.max(from, cut))));
          from = Math.max(from, cut);
        }
        inputs.push(...parser.flush());
        expect(inputs).toEqual(parsed(parts.join("")));
      }),
    );
  });

  test("an Escape is waited with, since a sequence may follow", () => {
    const parser = new KeyParser();
    expect(parser.push(bytes(ESC))).toEqual([]);
    expect(parser.isWaiting).toBe(true);
    expect(keys(parser.push(bytes("[B")))).toEqual(["down"]);
    expect(parser.isWaiting).toBe(false);
  });

  test("a paste is one text, and none of it is a key", () => {
    expect(parsed(`${ESC}[200~ky\nq${ESC}[201~s`)).toEqual([
      { kind: "paste", text: "ky\nq" },
      { kind: "key", key: "s" },
    ]);
  });

  test("garbage hides no key for long", () => {
    const parser = new KeyParser();
    parser.push(bytes(`${ESC}[${"9;".repeat(10_000)}`));
    parser.flush();
    expect(keys(parser.push(bytes("q")))).toEqual(["q"]);
  });
});

describe("the mouse", () => {
  test.each([
    ["a click", `${ESC}[<0;5;3M`, { kind: "mouse", what: "click", column: 4, row: 2 }],
    ["the wheel up", `${ESC}[<64;1;1M`, { kind: "mouse", what: "wheel-up", column: 0, row: 0 }],
    ["the wheel down", `${ESC}[<65;1;1M`, { kind: "mouse", what: "wheel-down", column: 0, row: 0 }],
  ])("%s is one", (_what, text, expected) => {
    expect(parsed(text)).toEqual([expected]);
  });

  test.each([
    ["a release", `${ESC}[<0;5;3m`],
    ["another button", `${ESC}[<2;5;3M`],
    ["a move", `${ESC}[<35;5;3M`],
    ["no place", `${ESC}[<0;0;1M`],
  ])("%s is none", (_what, text) => {
    expect(parsed(text)).toEqual([]);
  });
});
