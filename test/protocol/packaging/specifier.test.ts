import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findVersion,
  formatSpecifiers,
  parseSpecifiers,
  satisfies,
  selectVersions,
} from "../../../protocol/packaging/specifier.ts";

function specifiersOf(text: string) {
  const specifiers = parseSpecifiers(text);
  if (specifiers === undefined) throw new Error(`${text} cannot be read`);
  return specifiers;
}

describe("a specifier", () => {
  it.each([
    ["", "1.0", true],
    ["==1.0", "1", true],
    ["==1.0", "1.0+local", true],
    ["==1.0+local", "1.0", false],
    ["==1.0+LOCAL", "1.0+local", true],
    ["==1.0", "1.0.post1", false],
    ["==1.*", "1.9.3", true],
    ["==1.*", "1", true],
    ["==1.*", "1.0a1", true],
    ["==1.*", "1.5+x", true],
    ["==1.*", "11", false],
    ["==1.*", "1!1.0", false],
    ["==1.0.*", "1", true],
    ["==1.1.*", "1", false],
    ["!=1.*", "2", true],
    ["!=1.*", "1.3", false],
    ["!=1.0", "1.0+x", false],
    ["~=2.2", "2.9", true],
    ["~=2.2", "3.0", false],
    ["~=2.2", "2.1", false],
    ["~=2.2.0", "2.3", false],
    ["~=2.2.post3", "2.2", false],
    ["~=2.2.post3", "2.3", true],
    ["~=1!2.2", "1!2.3", true],
    ["~=1!2.2", "2.3", false],
    [">=1.0", "1.0+x", true],
    [">=1.0", "1.0rc1", false],
    ["<=1.0", "1.0+x", true],
    ["<=1.0", "1.0.post1", false],
    ["<1.0", "1.0rc1", false],
    ["<1.0", "0.9rc1", true],
    ["<1.0", "1.0", false],
    ["<1.0", "2.0", false],
    ["<1.0rc2", "1.0rc1", true],
    ["<1.0rc2", "1.0rc2.dev1", true],
    ["<1.0.post1", "1.0.post1.dev1", false],
    ["<1.0.post1", "1.0", true],
    [">1.0", "1.0.post1", false],
    [">1.0", "1.0.post1.dev3", false],
    [">1.0", "1.0+x", false],
    [">1.0", "1.0.1", true],
    [">1.0.post1", "1.0.post2", true],
    [">1.0a1", "1.0a1.post0", false],
    [">1.0a1", "1.0a2+x", true],
    ["===1.0", "1.0", true],
    ["===1.0", "1.0.0", false],
    ["===Odd", "odd", true],
    [">=1.0", "odd", false],
    [">=1,!=1.5.*,<2", "1.4", true],
    [">=1,!=1.5.*,<2", "1.5.1", false],
    [" >= 1 , < 2 ", "1.4", true],
    [">=1,", "1.4", true],
    [">=123456789012345678901", "123456789012345678902", true],
  ])("%j is satisfied by %s, pre-releases allowed: %s", (text, version, expected) => {
    expect(satisfies(version, specifiersOf(text), { prereleases: true })).toBe(expected);
  });

  it.each([
    "1.0",
    "=1.0",
    "=>1.0",
    ">=",
    "~=1",
    ">=1.*",
    "<1.0+x",
    "~=1.0+x",
    "==1.*+x",
    "==1.0a1.*",
    "==1.0.post1.*",
    "==1.0.dev1.*",
    "==1.*.*",
    ">=1.0 <2",
    ">=1.0;",
    "==1.0 .*",
    "== 1 0",
    ">=one",
    "==",
    ">=1".repeat(3_000),
    ">=1,".repeat(300),
  ])("%j is refused", (text) => {
    expect(parseSpecifiers(text)).toBeUndefined();
  });

  it("prints as what it was read from", () => {
    const clause = fc
      .tuple(fc.constantFrom("==", "!=", ">=", "<", "~=", "==="), fc.nat(20), fc.nat(20))
      .map(([operator, major, minor]) => `${operator}${major}.${minor}`);
    fc.assert(
      fc.property(fc.array(clause, { maxLength: 5 }), (clauses) => {
        const specifiers = specifiersOf(clauses.join(" , "));
        expect(specifiersOf(formatSpecifiers(specifiers))).toEqual(specifiers);
      }),
    );
  });
});

describe("pre-releases", () => {
  it.each([
    [">=1.0", "1.1a1", false],
    [">=1.0a1", "1.1a1", true],
    ["", "1.1a1", false],
    ["!=1.0a1", "1.1a1", false],
    ["==1.1a1", "1.1a1", true],
    [">=1.0,!=1.0rc1", "1.1", true],
  ])("by the rule, %j with %s: %s", (text, version, expected) => {
    expect(satisfies(version, specifiersOf(text))).toBe(expected);
  });

  it("are chosen only where nothing else satisfies, or where a clause names one", () => {
    const versions = ["1.0", "1.1", "2.0a1", "2.0.dev1"];
    expect(selectVersions(versions, specifiersOf(">=1.1"))).toEqual(["1.1"]);
    expect(selectVersions(versions, specifiersOf(">1.5"))).toEqual(["2.0a1", "2.0.dev1"]);
    expect(selectVersions(versions, specifiersOf(">=1.1a0"))).toEqual(["1.1", "2.0a1", "2.0.dev1"]);
    expect(selectVersions(versions, specifiersOf(">1.5"), { prereleases: false })).toEqual([]);
    expect(selectVersions(versions, specifiersOf(""), { prereleases: true })).toEqual(versions);
  });

  it("are found as they are selected, of those that are eligible, and no more is looked at than needed", () => {
    const versions = fc.constantFrom("3.0", "2.1b1", "2.0", "2.0rc1", "1.5.dev0", "1.0", "0.9a1");
    const clauses = fc.constantFrom(
      "",
      ">=1.0",
      "<2.0",
      ">=2.0b1",
      "==2.*",
      "!=2.0",
      "==2.1b1",
      "<=1.5",
    );
    const listed = fc.array(fc.record({ version: versions, isEligible: fc.boolean() }));
    fc.assert(
      fc.property(listed, clauses, (candidates, text) => {
        const eligible = candidates.filter(({ isEligible }) => isEligible);
        const [best] = selectVersions(
          eligible.map(({ version }) => version),
          specifiersOf(text),
        );
        const found = findVersion(candidates, specifiersOf(text), ({ isEligible }) => isEligible);
        expect(found?.version).toBe(best);
      }),
    );
    let asked = 0;
    const many = Array.from({ length: 1_000 }, (_, at) => ({ version: `${1_000 - at}.0` }));
    findVersion(many, specifiersOf(">=3"), () => {
      asked += 1;
      return true;
    });
    expect(asked).toBe(1);
  });
});
