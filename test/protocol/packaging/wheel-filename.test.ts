import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseWheelFilename } from "../../../protocol/packaging/wheel-filename.ts";

describe("a wheel file name", () => {
  it("says the project, the version, the build and the tags", () => {
    expect(parseWheelFilename("Foo.Bar-1.0_post1+X_1-2b-py2.py3-none-any.whl")).toEqual({
      filename: "Foo.Bar-1.0_post1+X_1-2b-py2.py3-none-any.whl",
      name: "foo-bar",
      nameAsWritten: "Foo.Bar",
      version: "1.0.post1+x.1",
      versionAsWritten: "1.0_post1+X_1",
      buildTag: "2b",
      tags: ["py2-none-any", "py3-none-any"],
      interpreter: "py2.py3",
      abi: "none",
      platform: "any",
    });
  });

  it.each([
    "foo-1.0-py3-none-any.whl",
    "foo-1!2.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "foo_bar-1.0-1-py3-none-any.whl",
    "f-0-0-py3-none-any.whl",
  ])("may be %s", (filename) => {
    expect(parseWheelFilename(filename)).toMatchObject({ filename });
  });

  it.each([
    ["with another suffix", "foo-1.0-py3-none-any.zip"],
    ["with a suffix in capitals", "foo-1.0-py3-none-any.WHL"],
    ["of four parts", "foo-1.0-py3-none.whl"],
    ["of seven parts", "foo-1.0-1-2-py3-none-any.whl"],
    ["with a dash in the name", "foo-bar-1.0-py3-none-any.whl"],
    ["with a doubled underscore", "foo__bar-1.0-py3-none-any.whl"],
    ["with no name", "-1.0-py3-none-any.whl"],
    ["with a name beginning with a dot", ".foo-1.0-py3-none-any.whl"],
    ["with no version", "foo--py3-none-any.whl"],
    ["with a broken version", "foo-one-py3-none-any.whl"],
    ["with blanks about the version", "foo- 1.0 -py3-none-any.whl"],
    ["with an empty build tag", "foo-1.0--py3-none-any.whl"],
    ["with a build tag that begins with a letter", "foo-1.0-a1-py3-none-any.whl"],
    ["with an odd build tag", "foo-1.0-1 2-py3-none-any.whl"],
    ["with an empty tag", "foo-1.0-py3-none-.whl"],
    ["with a path before it", "../foo-1.0-py3-none-any.whl"],
    ["with a path in a tag", "foo-1.0-py3-none-any/../x.whl"],
    ["with a backslash", "foo\\x-1.0-py3-none-any.whl"],
    ["with a NUL", "foo-1.0-py3-none-any\0.whl"],
    ["with a line feed at the end", "foo-1.0-py3-none-any.whl\n"],
    ["that no file system can hold", `foo-1.0-py3-none-${"a".repeat(250)}.whl`],
  ])("is refused %s", (_why, filename) => {
    expect(parseWheelFilename(filename)).toBeUndefined();
  });

  it("that is taken is a plain file name, whatever the text", () => {
    const piece = fc.stringMatching(/^[a-z0-9._/\\ +!\0-]{0,8}$/);
    const filename = fc.array(piece, { maxLength: 7 }).map((pieces) => `${pieces.join("-")}.whl`);
    fc.assert(
      fc.property(filename, (text) => {
        if (parseWheelFilename(text) !== undefined) expect(text).toMatch(/^[A-Za-z0-9][\w.+!-]*$/);
      }),
      { numRuns: 2_000 },
    );
  });
});
