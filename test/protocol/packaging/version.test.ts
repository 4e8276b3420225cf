import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalVersion,
  compareVersions,
  formatVersion,
  isPrerelease,
  parseVersion,
  versionSortKey,
} from "../../../protocol/packaging/version.ts";

/** Each stands before the next (PEP 440, and the examples of its summary). */
const ascending = [
  "not a version",
  "0",
  "0.0.1.dev0",
  "1.dev0",
  "1.0.dev456",
  "1.0a1.dev1",
  "1.0a1",
  "1.0a2.dev456",
  "1.0a12.dev456",
  "1.0a12",
  "1.0b1.dev456",
  "1.0b2",
  "1.0b2.post345.dev456",
  "1.0b2.post345",
  "1.0rc1.dev456",
  "1.0rc1",
  "1.0",
  "1.0+abc.5",
  "1.0+abc.7",
  "1.0+abcd",
  "1.0+5",
  "1.0+5.a",
  "1.0+5.0",
  "1.0+10",
  "1.0.post0.dev1",
  "1.0.post456.dev34",
  "1.0.post456",
  "1.0.1",
  "1.0.15",
  "1.1.dev1",
  "1.9",
  "1.10",
  "20240101",
  "9007199254740993",
  "9007199254740994",
  "99999999999999999999999998",
  "99999999999999999999999999",
  "100000000000000000000000000",
  "1!0.1",
  "10!0.1",
];

describe("a version's normal form", () => {
  it.each([
    ["1.0", "1.0"],
    ["1.0.0", "1.0.0"],
    ["v1.0", "1.0"],
    ["V1", "1"],
    ["  1.0\n", "1.0"],
    ["01.002", "1.2"],
    ["1.0-1", "1.0.post1"],
    ["1.0-r5", "1.0.post5"],
    ["1.0.rev", "1.0.post0"],
    ["1.0_POST-3", "1.0.post3"],
    ["1.0c2", "1.0rc2"],
    ["1.0.PREVIEW_3", "1.0rc3"],
    ["1.0pre", "1.0rc0"],
    ["1.0-alpha.1", "1.0a1"],
    ["1.0beta", "1.0b0"],
    ["1.0dev", "1.0.dev0"],
    ["1.0-dev_4", "1.0.dev4"],
    ["1.0a1-2.dev3", "1.0a1.post2.dev3"],
    ["0!1.0", "1.0"],
    ["007!1.0", "7!1.0"],
    ["1.0+Ubuntu-1_02", "1.0+ubuntu.1.2"],
    ["2004b", "2004b0"],
    ["123456789012345678901234567890", "123456789012345678901234567890"],
  ])("of %j is %s", (written, normal) => {
    expect(canonicalVersion(written)).toBe(normal);
  });

  it.each([
    "",
    ".",
    "1.",
    ".1",
    "1..2",
    "a",
    "1.0x",
    "1.0-",
    "1.0--1",
    "1 .0",
    "1.0a1a2",
    "1.0.dev1.post2",
    "1.0+",
    "1.0+a..b",
    "1.0+é",
    "1.0+a b",
    "!1",
    "1!",
    "-1",
    "1.0-1-1",
    "\u0661.0",
    "1.0\0",
  ])("does not exist for %j", (text) => {
    expect(canonicalVersion(text)).toBeUndefined();
  });

  it("does not exist where it or the spelling is longer than 200 characters", () => {
    expect(canonicalVersion("1".repeat(200))).toBe("1".repeat(200));
    expect(canonicalVersion("1".repeat(201))).toBeUndefined();
    expect(canonicalVersion(`${"1".repeat(198)}-1`)).toBeUndefined();
    expect(canonicalVersion(`${"1.".repeat(50_000)}1`)).toBeUndefined();
  });
});

describe("the order of versions", () => {
  it.each(ascending.slice(1).map((later, i) => [ascending[i] ?? "", later]))(
    "puts %s before %s, by comparison and by key",
    (earlier, later) => {
      expect(compareVersions(earlier, later)).toBeLessThan(0);
      expect(compareVersions(later, earlier)).toBeGreaterThan(0);
      expect(versionSortKey(earlier) < versionSortKey(later)).toBe(true);
    },
  );

  it.each([
    ["1", "1.0.0"],
    ["1.0-1", "1.post1"],
    ["0!1.0a", "v1-alpha0"],
    ["1+A_1", "1.0+a.01"],
    ["0.0", "0"],
  ])("holds %s and %s for one release", (left, right) => {
    expect(compareVersions(left, right)).toBe(0);
    expect(versionSortKey(left)).toBe(versionSortKey(right));
  });

  it("has a key of printable ASCII for any text, so that a database can hold it", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 300 }), (codes) => {
        const text = String.fromCharCode(...codes);
        expect(versionSortKey(text)).toMatch(/^[!-~]{1,1500}$/);
      }),
    );
  });
});

const number = fc.oneof(
  { weight: 4, arbitrary: fc.nat(12).map(String) },
  fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String),
);
const optional = (arbitrary: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant("") }, arbitrary);
const separator = fc.constantFrom("", ".", "-", "_");
const part = (words: readonly string[]) =>
  optional(
    fc
      .tuple(separator, fc.constantFrom(...words), separator, optional(number))
      .map((each) => each.join("")),
  );
const version = fc
  .tuple(
    optional(number.map((epoch) => `${epoch}!`)),
    fc.array(number, { minLength: 1, maxLength: 4 }).map((release) => release.join(".")),
    part(["a", "b", "rc", "alpha", "beta", "c", "pre", "preview"]),
    part(["post", "rev", "r"]),
    part(["dev"]),
    optional(
      fc
        .array(fc.oneof(number, fc.stringMatching(/^[a-z0-9]{1,3}$/)), {
          minLength: 1,
          maxLength: 3,
        })
        .map((local) => `+${local.join(".")}`),
    ),
  )
  .map((each) => each.join(""))
  .filter((text) => text.length < 190);

describe("for any versions", () => {
  it("printing and parsing give the same value", () => {
    fc.assert(
      fc.property(version, (text) => {
        const parsed = parseVersion(text);
        expect(parsed).toBeDefined();
        if (parsed !== undefined) expect(parseVersion(formatVersion(parsed))).toEqual(parsed);
      }),
    );
  });

  it("the order is total and transitive, and the keys' byte order is the same", () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const order = Math.sign(compareVersions(a, b));
        expect(Math.sign(compareVersions(b, a))).toBe(0 - order);
        const [keyA, keyB] = [Buffer.from(versionSortKey(a)), Buffer.from(versionSortKey(b))];
        expect(Buffer.compare(keyA, keyB)).toBe(order);
        const [low = a, middle = b, high = c] = [a, b, c].sort(compareVersions);
        expect(compareVersions(low, middle)).toBeLessThanOrEqual(0);
        expect(compareVersions(middle, high)).toBeLessThanOrEqual(0);
        expect(compareVersions(low, high)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a pre-release", () => {
  it.each([
    ["1.0", false],
    ["1.0a1", true],
    ["1.0rc1.post2", true],
    ["1.0.dev3", true],
    ["1.0.post1.dev3", true],
    ["1.0.post1", false],
    ["1.0+dev", false],
    ["garbage-dev", false],
  ])("%s: %s", (text, expected) => {
    expect(isPrerelease(text)).toBe(expected);
  });
});
