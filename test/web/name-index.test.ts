/** The search among names: against a plain definition of what it finds and in which order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

type Row = [string, number, number];
interface Found {
  readonly hits: readonly { readonly name: string }[];
  readonly isMore: boolean;
}
const { canonicalQuery, NameIndex } = (await import(
  new URL("../../web/scripts/name-index.js", import.meta.url).href
)) as {
  canonicalQuery(query: string): string;
  NameIndex: new (
    rows: Row[],
  ) => { readonly size: number; search(query: string, limit: number): Found };
};

const rows: Row[] = [
  ["tide", 5, 50],
  ["tide-pool", 900, 1_000],
  ["riptide", 2_000, 9_000],
  ["high-tide", 100, 400],
  ["low-tide", 300, 300],
  ["tidewater", 10, 20],
];
const find = (query: string, limit = 50) =>
  new NameIndex([...rows]).search(canonicalQuery(query), limit).hits.map(({ name }) => name);

describe("a search", () => {
  test("has the name itself first, then beginnings, words and the rest, each by downloads", () => {
    expect(find("tide")).toEqual([
      "tide",
      "tide-pool",
      "tidewater",
      "low-tide",
      "high-tide",
      "riptide",
    ]);
  });

  test.for([
    ["Tide_Pool", ["tide-pool"]],
    ["  TIDE..pool ", ["tide-pool"]],
    ["-tide", ["tide", "tide-pool", "tidewater", "low-tide", "high-tide", "riptide"]],
    ["tide-", ["tide-pool"]],
    ["", []],
    ["   ", []],
    ["\n", []],
    ["(tide", []],
    [".*", []],
    ["é", []],
  ] as const)("for %j finds %j", ([query, names]) => {
    expect(find(query)).toEqual(names);
  });

  test("says when there is more", () => {
    const index = new NameIndex([...rows]);
    expect(index.search("tide", 6)).toMatchObject({ isMore: false });
    expect(index.search("tide", 5)).toMatchObject({ isMore: true });
    expect(find("tide", 2)).toEqual(["tide", "tide-pool"]);
    expect(index.size).toBe(6);
  });

  test("among no names finds nothing", () => {
    expect(new NameIndex([]).search("a", 5)).toEqual({ hits: [], isMore: false });
  });

  test("finds what its definition finds", () => {
    const name = fc.stringMatching(/^[ab](-?[ab0]){0,5}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, fc.nat(3), fc.nat(3)), {
          selector: ([each]) => each,
          maxLength: 40,
        }),
        fc.stringMatching(/^[ab0-]{1,4}$/).map(canonicalQuery),
        fc.integer({ min: 1, max: 50 }),
        (list, query, limit) => {
          fc.pre(query !== "");
          const rank = (each: string) =>
            each === query ? 0 : each.startsWith(query) ? 1 : each.includes(`-${query}`) ? 2 : 3;
          const expected = list
            .filter(([each]) => each.includes(query))
            .sort(
              ([one, lately, ever], [other, otherLately, otherEver]) =>
                rank(one) - rank(other) ||
                otherLately - lately ||
                otherEver - ever ||
                one.length - other.length ||
                (one < other ? -1 : 1),
            )
            .map(([each]) => each);
          const found = new NameIndex(list.map((row) => [...row])).search(query, limit);
          expect(found.hits.map((hit) => hit.name)).toEqual(expected.slice(0, limit));
          expect(found.isMore).toBe(expected.length > limit);
        },
      ),
      { numRuns: 500 },
    );
  });
});
