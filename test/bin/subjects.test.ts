/** Packages and versions as they are typed, and the line for what the farm does not know. */
import { describe, expect, it } from "vitest";
import { readSubjects, subjectText, unknownLine } from "../../bin/subjects.ts";

const read = (text: string) => readSubjects(text.split(" ").filter((word) => word !== ""));

describe("packages and versions as they are typed", () => {
  it.each([
    ["six", [["six"]]],
    ["six numpy", [["six"], ["numpy"]]],
    ["numpy 1.26.4 2.0rc1 six", [["numpy", "1.26.4", "2.0rc1"], ["six"]]],
    ["2 0.1", [["2", "0.1"]]],
    ["", []],
  ])("%j", (text, expected) => {
    expect(read(text).map(({ package: name, versions }) => [name, ...versions])).toEqual(expected);
  });

  it.each([
    ["numpy>=2", /"numpy>=2" is neither a package's name nor a version/],
    ["six one_", /"one_" is neither/],
    ["six \u001b[2J", /\\x1b/],
    ["q".repeat(201), /^"q{40}\.\.\." is longer than 200 characters/],
    ["six ".repeat(1_001), /more than 1000 packages/],
    [`six ${"1.0 ".repeat(1_001)}`, /more than 1000 versions/],
  ])("%j is refused", (text, words) => {
    expect(() => read(text)).toThrow(words);
  });

  it("are shown shortly", () => {
    const versions = Array.from({ length: 8 }, (_, at) => `${at}.0`);
    expect(subjectText({ package: "six", versions })).toBe(
      "six 0.0, 1.0, 2.0, 3.0, 4.0 and 3 more",
    );
  });
});

describe("the line for what the farm does not know", () => {
  const found = {
    package: "numpy",
    isLocal: false,
    skip: null,
    versions: 1,
    files: 0,
    pending: 0,
    leased: 0,
    requirements: 0,
  };
  const nothing = { found: null, missing: [], removed: [], candidates: [] };
  const subject = { package: "nunpy", versions: ["1.26.5"] };

  it.each([
    [nothing, "the farm knows no package nunpy"],
    [
      { ...nothing, candidates: ["pandas", "numpy", "numba", "six"] },
      "the farm knows no package nunpy; the nearest are numpy, numba, pandas",
    ],
    [
      { ...nothing, found, missing: ["1.26.5"], candidates: ["1.26.4"] },
      "the farm knows no numpy 1.26.5; the nearest is 1.26.4",
    ],
    [{ ...nothing, found, removed: ["1.26.5"] }, "numpy 1.26.5 was removed"],
  ])("%#", (known, line) => {
    expect(unknownLine(subject, known)).toBe(line);
  });
});
