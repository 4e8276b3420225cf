import { describe, expect, it } from "vitest";
import {
  formatRequirement,
  parseRequirement,
  RequirementError,
} from "../../../protocol/packaging/requirement.ts";

describe("a requirement", () => {
  it.each([
    ["requests", "requests"],
    ["  Foo.Bar  ", "foo-bar"],
    ["foo>=1.0", "foo>=1.0"],
    ["foo >= 1.0 , != 1.5.*", "foo>=1.0,!=1.5.*"],
    ["foo (>=1.0,<2)", "foo>=1.0,<2"],
    ["foo()", "foo"],
    ["foo[Sec_urity, socks,socks] ==2.8.*", "foo[sec-urity,socks]==2.8.*"],
    ["foo[]", "foo"],
    ["foo===odd.version", "foo===odd.version"],
    ["foo;python_version<'3'", 'foo; python_version < "3"'],
    [
      "foo>1 ; os_name=='a' and (extra=='b' or extra=='c')",
      'foo>1; os_name == "a" and (extra == "b" or extra == "c")',
    ],
    ["foo @ https://x.example/a.zip", "foo @ https://x.example/a.zip"],
    [
      "foo[a]@https://x.example/a.zip ; os_name=='a'",
      'foo[a] @ https://x.example/a.zip ; os_name == "a"',
    ],
    ["foo @ https://x.example/a;b", "foo @ https://x.example/a;b"],
  ])("%j is read as %s", (text, printed) => {
    const requirement = parseRequirement(text);
    expect(formatRequirement(requirement)).toBe(printed);
    const { nameAsWritten: _ignored, ...rest } = requirement;
    expect(parseRequirement(printed)).toMatchObject(rest);
  });

  it("keeps the name as written beside the canonical one", () => {
    expect(parseRequirement("Foo.Bar>1")).toMatchObject({
      name: "foo-bar",
      nameAsWritten: "Foo.Bar",
    });
  });

  it.each([
    ["", "project name"],
    [">=1.0", "project name"],
    ["foo-", "project name"],
    ["x".repeat(201), "200"],
    ["foo 1.0", "specifier"],
    ["foo bar", "specifier"],
    ["foo>=1.*", "specifier"],
    ["foo (>=1", "specifier"],
    ["foo[a", "specifier"],
    ["foo[a b]", "extra"],
    ["foo[a,]", "extra"],
    ["foo @", "URL"],
    ["foo @ https://x y", "URL"],
    ["foo;", "marker"],
    ["foo; bogus == 'x'", "marker"],
    [`foo ; ${"x".repeat(20_000)}`, "long"],
  ])("%.40j is refused, naming what is wrong", (text, expected) => {
    expect(() => parseRequirement(text)).toThrow(RequirementError);
    expect(() => parseRequirement(text)).toThrow(expected);
  });
});
