import { describe, expect, it } from "vitest";
import { parseRequirementsFile } from "../../../protocol/packaging/requirements-file.ts";

/** What was read, as lines of text, for a table. */
function read(text: string) {
  const { requirements, errors, skipped } = parseRequirementsFile(text);
  return {
    requirements: requirements.map((each) => `${each.line}: ${each.text}`),
    errors: errors.map((each) => `${each.line}: ${each.reason}`),
    skipped: skipped.map((each) => `${each.line}: ${each.text}`),
  };
}

describe("a requirements file", () => {
  it.each([
    ["", []],
    ["foo\nbar>=1\n", ["1: foo", "2: bar>=1"]],
    ["foo\r\nbar\rbaz", ["1: foo", "2: bar", "3: baz"]],
    ["\uFEFFfoo", ["1: foo"]],
    ["# all\n\n   # indented\nfoo # why\nbar#not-a-comment\n", ["4: foo"]],
    [
      "foo \\\n  >=1.0 \\\n  ; os_name == 'posix'\nbar",
      ["1: foo   >=1.0   ; os_name == 'posix'", "4: bar"],
    ],
    ["foo \\\n# comment\nbar", ["1: foo", "3: bar"]],
    ["foo \\", ["1: foo"]],
    ["foo==1.0 --hash=sha256:abc \\\n    --hash=sha256:def\nbar", ["1: foo==1.0", "3: bar"]],
    ["foo --config-settings=a=b", ["1: foo"]],
    ["  foo  ", ["1: foo"]],
  ])("%j holds %j", (text, expected) => {
    expect(read(text).requirements).toEqual(expected);
  });

  it.each([
    "-i https://x.example/simple",
    "--index-url=https://x",
    "--extra-index-url https://x",
    "--no-index",
    "-f dir",
    "--find-links=dir",
    "--no-binary :all:",
    "--only-binary=:all:",
    "--prefer-binary",
    "--require-hashes",
    "--trusted-host x",
    "--use-feature=y",
  ])("may hold %s, which is left out with a note", (line) => {
    expect(read(`foo\n${line}`)).toEqual({
      requirements: ["1: foo"],
      errors: [],
      skipped: [`2: ${line}`],
    });
  });

  it.each([
    ["-r other.txt", "other requirements files"],
    ["--requirement=other.txt", "other requirements files"],
    ["-c limits.txt", "constraints"],
    ["--constraint limits.txt", "constraints"],
    ["-e .", "editable"],
    ["--editable=git+https://x", "editable"],
    ["--pre", "pre-releases"],
    ["--bogus", "not an option"],
    ["https://x.example/foo-1.0.tar.gz", "URL"],
    ["git+https://x.example/foo", "URL"],
    ["file:///srv/foo", "URL"],
    ["foo @ https://x.example/foo.zip", "URL"],
    ["./foo", "path"],
    ["..", "path"],
    ["foo/bar", "path"],
    ["dir\\foo", "path"],
    ["foo-1.0.tar.gz", "path"],
    ["foo-1.0-py3-none-any.whl", "path"],
    ["foo==\u0024{VERSION}", "environment variables"],
    ["foo bar", "specifier"],
    [`foo${" ".repeat(100_000)}@`, "URL"],
    [`foo>=${"1".repeat(20_000)}`, "long"],
  ])("with %.40s says why that is refused, and reads on", (line, reason) => {
    const { errors, requirements } = read(`${line}\nbar`);
    expect(requirements).toEqual(["2: bar"]);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(new RegExp(`^1: .*${reason}`));
  });

  it("reads nested files once each through the function given, and says where a line stands", () => {
    const files: Record<string, string> = {
      "a.txt": "one\n-r b.txt\n-r b.txt\n-r a.txt",
      "b.txt": "two ==\n-r missing.txt\n-r a.txt",
    };
    const asked: (readonly [string, string | undefined])[] = [];
    const result = parseRequirementsFile("-r a.txt\nzero", {
      readNested: (name, from) => {
        asked.push([name, from]);
        return files[name];
      },
    });
    expect(result.requirements.map(({ name, file, line }) => [name, file, line])).toContainEqual([
      "one",
      "a.txt",
      1,
    ]);
    expect(result.requirements.at(-1)).toMatchObject({ name: "zero", line: 2 });
    expect(result.errors).toContainEqual({
      file: "b.txt",
      line: 2,
      text: "-r missing.txt",
      reason: "the file cannot be read",
    });
    expect(new Set(asked.map(String)).size).toBe(asked.length);
  });

  it("does not nest without end", () => {
    let depth = 0;
    const result = parseRequirementsFile("-r 0", { readNested: () => `-r ${++depth}` });
    expect(result.errors).toHaveLength(1);
    expect(depth).toBeLessThan(20);
  });
});
