import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readRequirements } from "../../bin/requirements.ts";
import { ConfigurationError } from "../../config/configuration-error.ts";

const folder = mkdtempSync(join(tmpdir(), "piw-requirements-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join("\n"));
  return path;
}

describe("what to build", () => {
  it("is the arguments and then the files' lines, each once", () => {
    const path = file("one.txt", "# wanted", "six", "numpy>=2 ; python_version > '3'", "", "six");
    expect(readRequirements(["toolz", "six"], [path])).toEqual([
      "toolz",
      "six",
      "numpy>=2 ; python_version > '3'",
    ]);
  });

  it("follows -r lines from where they stand", () => {
    mkdirSync(join(folder, "inner"));
    file("inner/leaf.txt", "leaf");
    file("inner/more.txt", "-r leaf.txt", "more");
    expect(readRequirements([], [file("outer.txt", "-r inner/more.txt", "outer")])).toEqual([
      "leaf",
      "more",
      "outer",
    ]);
  });

  it("refuses the first line that cannot be meant, with file, line and reason", () => {
    const path = file("bad.txt", "six", "-e .", "nonsense ===== 1");
    expect(() => readRequirements([], [path])).toThrow(ConfigurationError);
    expect(() => readRequirements([], [path])).toThrow(
      `${path}, line 2: "-e .": an editable project is no release of an index (and 1 more)`,
    );
    const extras = Array.from({ length: 30 }, (_, index) => `${"x".repeat(90)}${index}`).join();
    expect(() => readRequirements(["no spaces here"], [])).toThrow('"no spaces here": ');
    expect(() => readRequirements([`a[${extras}]`], [])).toThrow("too long");
  });

  it("refuses a file that is not there, is a folder or never ends", () => {
    const missing = join(folder, "none.txt");
    expect(() => readRequirements([], [missing])).toThrow(
      `cannot read the requirements of ${missing}: there is no such file`,
    );
    expect(() => readRequirements([], [folder])).toThrow("EISDIR");
    expect(() => readRequirements([], ["/dev/zero"])).toThrow("/dev/zero is larger than 10 MiB");
  });
});
