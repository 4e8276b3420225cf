import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { findIniFile, parseIni } from "../../config/ini-file.ts";

const folder = mkdtempSync(join(tmpdir(), "piw-ini-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Line breaks, brackets and control characters are among the first. */
const anyText = fc.string({ unit: fc.nat(0x2fff).map((code) => String.fromCodePoint(code)) });

describe("an INI file", () => {
  it("gives sections and entries with their lines, in the dialect of configparser", () => {
    const text = [
      "\uFEFF# comment",
      "[master]",
      "DSN = postgres:///x?a=b # not a comment",
      "",
      "; comment",
      "slave-queue: tcp://*:5555",
      "debug = a",
      "    b",
      "\tc",
      "[ runner:x y ]\r",
      "anything = ",
    ].join("\n");
    expect(parseIni(text, "f")).toEqual([
      {
        name: "master",
        line: 2,
        entries: [
          { key: "dsn", value: "postgres:///x?a=b # not a comment", line: 3 },
          { key: "slave-queue", value: "tcp://*:5555", line: 6 },
          { key: "debug", value: "a\nb\nc", line: 7 },
        ],
      },
      { name: "runner:x y", line: 10, entries: [{ key: "anything", value: "", line: 11 }] },
    ]);
  });

  it.each([
    ["dsn = x", 'f, line 1: "dsn" stands before the first [section]'],
    ["[a]\nwhat is this", 'f, line 2: "what is this" is neither a [section] nor key = value'],
    ["[a]\nx=1\nX = 2", 'f, line 3: "x" is already set in line 2'],
    ["[a]\n\n[a]", "f, line 3: section [a] is already there in line 1"],
    ["[a", 'f, line 1: "[a" is no section header such as [master]'],
    ["[]", 'f, line 1: "[]" is no section header such as [master]'],
    ["[a]\n= 1", 'f, line 2: "= 1" is neither a [section] nor key = value'],
    ["[a]\n\u001b[2Jx", 'f, line 2: " [2Jx" is neither a [section] nor key = value'],
  ])("%j is refused with file and line", (text, message) => {
    expect(() => parseIni(text, "f")).toThrow(new ConfigurationError(message));
  });

  it("of any contents is read or refused in one line, never anything else", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          parseIni(text, "f");
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationError);
          expect((error as Error).message).toMatch(/^f, line \d+: \P{Cc}+$/u);
        }
      }),
    );
  });

  it("that was written from sections and entries reads back the same", () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/);
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const entries = fc.uniqueArray(fc.tuple(word, value), { selector: ([key]) => key });
    const file = fc.uniqueArray(fc.tuple(word, entries), { selector: ([name]) => name });
    fc.assert(
      fc.property(file, (sections) => {
        const text = sections
          .flatMap(([name, lines]) => [`[${name}]`, ...lines.map(([k, v]) => `${k} = ${v}`)])
          .join("\n");
        const read = parseIni(text, "f").map(({ name, entries: found }) => [
          name,
          found.map((entry) => [entry.key, entry.value]),
        ]);
        expect(read).toEqual(sections);
      }),
    );
  });

  it("that is not there is undefined, and one that cannot be read is an error with its name", () => {
    const large = join(folder, "large.conf");
    writeFileSync(large, `[master]\n${"# filler\n".repeat(150_000)}`);
    const inner = join(folder, "folder.conf");
    mkdirSync(inner);

    expect(findIniFile(join(folder, "none.conf"))).toBeUndefined();
    expect(() => findIniFile(inner)).toThrow(
      `cannot read the configuration file ${inner}: it is a folder`,
    );
    expect(() => findIniFile(large)).toThrow(`${large} is larger than 1 MiB`);
    expect(() => findIniFile("/dev/zero")).toThrow("/dev/zero is larger than 1 MiB");
  });
});
