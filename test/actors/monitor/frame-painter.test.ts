import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FramePainter } from "../../../actors/monitor/terminal/frame-painter.ts";

const ESC = "\u001b";
const size = { columns: 20, rows: 4 };
const sequence = (source: string) => new RegExp(`${ESC}\\[${source}`, "gsu");

/** What a terminal shows that is sent such bytes; colours aside. */
function screenOf(bytes: string, before: readonly string[] = []): string[] {
  const rows = Array.from({ length: size.rows }, (_, row) =>
    [...(before[row] ?? "").padEnd(size.columns)].slice(0, size.columns),
  );
  let row = 0;
  let column = 0;
  for (const { groups } of bytes.matchAll(
    sequence("(?<numbers>[0-9;]*)(?<letter>[A-Za-z])|(?<char>.)"),
  )) {
    const { numbers = "", letter, char } = groups ?? {};
    if (letter === "H") {
      const [down = 1, right = 1] = numbers.split(";").map(Number);
      row = down - 1;
      column = right - 1;
    } else if (letter === "K") rows[row]?.fill(" ", column);
    else if (letter === "J") for (const cells of rows) cells.fill(" ");
    else if (char !== undefined) {
      const cells = rows[row];
      if (cells !== undefined) cells[column] = char;
      column += 1;
    }
  }
  return rows.map((cells) => cells.join("").trimEnd());
}

describe("what is written to the terminal", () => {
  test("is all of the first frame, and nothing of one that is the same", () => {
    const painter = new FramePainter(false);
    const frame = "one\ntwo\n\nfour";
    expect(screenOf(painter.paint(frame, size))).toEqual(["one", "two", "", "four"]);
    expect(painter.paint(frame, size)).toBe("");
  });

  test("is only the stretch that has changed", () => {
    const painter = new FramePainter(false);
    painter.paint("for 10 s on slave-1\nrest", size);
    expect(painter.paint("for 11 s on slave-1\nrest", size)).toBe(`${ESC}[1;6H1`);
  });

  test("erases what a shorter line leaves", () => {
    const painter = new FramePainter(false);
    painter.paint("a long line\nb", size);
    const bytes = painter.paint("a\nb", size);
    expect(screenOf(bytes, ["a long line", "b"])).toEqual(["a", "b", "", ""]);
  });

  test("is everything again after a resize, and when it is asked for", () => {
    const painter = new FramePainter(false);
    painter.paint("one", size);
    expect(painter.paint("one", { columns: 30, rows: 4 })).toContain("one");
    painter.forget();
    expect(painter.paint("one", { columns: 30, rows: 4 })).toContain("one");
  });

  test("keeps colours, and lets no other sequence pass", () => {
    const painter = new FramePainter(false);
    painter.paint("", size);
    const hostile = `${ESC}[32mok${ESC}[39m ${ESC}[2J${ESC}]0;t\u0007\u009b5n\bx`;
    const bytes = painter.paint(hostile, size);
    expect(bytes).toContain(`${ESC}[32mok`);
    expect(bytes).not.toContain(`${ESC}[2J`);
    expect(bytes.replaceAll(sequence("[0-9;]*[mHK]"), "")).not.toMatch(/\p{Cc}/u);
  });

  test("stays on the screen", () => {
    const painter = new FramePainter(false);
    const bytes = painter.paint(`${"x".repeat(100)}\n\n\n\n\nbelow`, size);
    expect(bytes).not.toContain("below");
    expect(bytes).toContain("x".repeat(20));
    expect(bytes).not.toContain("x".repeat(21));
  });

  test("is ASCII alone where the terminal knows no more", () => {
    const painter = new FramePainter(true);
    const bytes = painter.paint("┌─┐ … 日 ⣿ é", size);
    expect(screenOf(bytes)[0]).toBe("+-+ ~ ?? ? ?");
  });

  test("makes of any frame before any frame after", () => {
    const line = fc.string({
      unit: fc.constantFrom("a", "b", " ", "…", `${ESC}[31mr${ESC}[39m`),
      maxLength: 12,
    });
    const frame = fc.array(line, { maxLength: 4 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(fc.array(frame, { minLength: 2, maxLength: 6 }), (frames) => {
        const painter = new FramePainter(false);
        let shown: string[] = [];
        for (const each of frames) shown = screenOf(painter.paint(each, size), shown);
        const last = (frames.at(-1) ?? "").replaceAll(sequence("[0-9]+m"), "");
        const wanted = last.split("\n").map((text) => text.trimEnd());
        expect(shown).toEqual(Array.from({ length: 4 }, (_, row) => wanted[row] ?? ""));
      }),
    );
  });
});
