/** The plot: what it draws, what it says in words, and that it takes any figures. */
import { describe, expect, test } from "vitest";
import { plot } from "../../web/pages/plot.ts";

const HOUR = 3_600_000;
const from = Date.UTC(2024, 2, 9);
const day = (values: readonly (number | null)[]) =>
  plot({
    title: "Builds an hour",
    series: [
      { name: "Builds", points: values.map((value, hour) => ({ at: from + hour * HOUR, value })) },
    ],
    from,
    to: from + 24 * HOUR,
    stepMs: HOUR,
    unit: "builds",
  }).text;

const scaleOf = (text: string) =>
  [...text.matchAll(/<text x="44"[^>]*>([^<]*)</g)].map(([, t]) => t);
const timesOf = (text: string) =>
  [...text.matchAll(/<text class="time[^>]*>([^<]*)</g)].map(([, time]) => time);

describe("a plot", () => {
  test("says its figures in words and as a table", () => {
    const text = day([3, 0, 12_345]);
    expect(text).toContain(
      `aria-label="Builds an hour. Builds: from 0 to 12,345, 12,345 at the end."`,
    );
    expect(text).toContain('2024-03-09 02:00</th><td class="number">12,345</td>');
  });

  test.for([
    [1, ["0", "1"]],
    [4, ["0", "1", "2", "3", "4"]],
    [7, ["0", "2", "4", "6", "8"]],
    [99, ["0", "50", "100"]],
    [100, ["0", "50", "100"]],
    [1_234, ["0", "500", "1K", "1.5K"]],
  ] as const)("has a scale of round numbers: up to %i", ([highest, scale]) => {
    expect(scaleOf(day([0, highest]))).toEqual(scale);
  });

  test("names round times, at most seven", () => {
    expect(timesOf(day([1]))).toEqual(["00:00", "06:00", "12:00", "18:00", "00:00"]);
    const year = plot({
      title: "Year",
      series: [{ name: "Builds", points: [{ at: from, value: 1 }] }],
      from: Date.UTC(2023, 2, 9),
      to: Date.UTC(2024, 2, 10),
      stepMs: 24 * HOUR,
      unit: "builds",
    }).text;
    expect(timesOf(year)).toEqual([
      ...["Apr 2023", "Jun 2023", "Aug 2023", "Oct 2023", "Dec 2023", "Feb 2024"],
    ]);
  });

  test("breaks the line where nothing is known, and shows a figure that stands alone", () => {
    const line = /class="line" d="(M[^"]*h0)"/.exec(day([1, 2, null, null, 3]))?.[1] ?? "";
    expect(line.match(/M/g)).toHaveLength(2);
  });

  test("of nothing says so", () => {
    expect(day([])).toContain("Nothing is known of this time yet.");
    expect(day([null])).toContain("Nothing is known of this time yet.");
  });

  test.for([[0], [1e15], [0.001], [-5]])("takes %d", ([value]) => {
    expect(day([value ?? 0])).not.toMatch(/NaN|Infinity/);
  });

  test("cannot be broken out of by a name", () => {
    const hostile = `"><script>alert(1)</script>`;
    const { text } = plot({
      title: hostile,
      series: [{ name: hostile, points: [{ at: from, value: 1 }] }],
      from,
      to: from + HOUR,
      stepMs: HOUR,
      unit: hostile,
    });
    expect(text).not.toContain("<script");
    expect(text).not.toContain(`"">`);
  });
});
