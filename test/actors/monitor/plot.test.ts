import { describe, expect, test } from "vitest";
import { plotLines, resampled } from "../../../actors/monitor/screen/plot.ts";

describe("a plot", () => {
  const ramp = [0, 1, 2, 3, 4, 5, 6, 7, 8];

  test.each([
    ["blocks", ["▁▁▂▃▄▅▆▇█"]],
    ["ascii", ["....::##"]],
  ] as const)("of rising values in %s", (style, expected) => {
    const values = style === "blocks" ? ramp : [0, 1, 3, 3.2, 4, 6, 7, 8];
    const width = values.length;
    const lines = plotLines(values, { width, height: 1, ceiling: 8, style });
    expect(lines.map((line) => line.replaceAll(" ", "."))).toEqual(expected);
  });

  test("in braille has two values and four steps in each character", () => {
    const values = [1, 2, 3, 4, 0, null];
    const lines = plotLines(values, { width: 3, height: 1, ceiling: 4, style: "braille" });
    expect(lines).toEqual(["⣠⣾⡀"]);
  });

  test("is as wide and as high as there is room, whatever the values", () => {
    for (const style of ["braille", "blocks", "ascii"] as const)
      for (const values of [[], [null], [Number.MAX_VALUE], [-1], Array(1_000).fill(3)])
        for (const width of [0, 1, 7, 100]) {
          const lines = plotLines(values, { width, height: 3, ceiling: 0, style });
          expect(lines).toHaveLength(width === 0 ? 0 : 3);
          for (const line of lines) expect([...line]).toHaveLength(width);
        }
  });

  test("shows what was not measured as nothing, and a measured zero as something", () => {
    const at = (value: number | null) =>
      plotLines([value], { width: 1, height: 1, ceiling: 1, style: "blocks" })[0];
    expect(at(null)).toBe(" ");
    expect(at(0)).toBe("▁");
  });

  test("loses no peak", () => {
    const values = Array.from({ length: 360 }, (_, at) => (at === 200 ? 9 : 1));
    expect(Math.max(...resampled(values, 20).map((value) => value ?? 0))).toBe(9);
  });

  test("grows with values above its ceiling", () => {
    const lines = plotLines([1, 10], { width: 2, height: 2, ceiling: 1, style: "blocks" });
    expect(lines).toEqual([" █", "▂█"]);
  });
});
