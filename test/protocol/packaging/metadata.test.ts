import { describe, expect, it } from "vitest";
import {
  MAX_METADATA_BYTES,
  MetadataError,
  parseMetadata,
} from "../../../protocol/packaging/metadata.ts";

const head = "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0-1\n";

describe("core metadata", () => {
  it("gives names and versions in normal form and as written", () => {
    expect(parseMetadata(head)).toEqual({
      metadataVersion: "2.1",
      name: "foo-bar",
      nameAsWritten: "Foo.Bar",
      version: "1.0.post1",
      versionAsWritten: "1.0-1",
      summary: "",
      description: "",
      descriptionContentType: null,
      requiresPython: null,
      requiresDist: [],
      providesExtra: [],
      licence: null,
      homePage: null,
      projectUrls: [],
      classifiers: [],
    });
  });

  it.each([
    ["a summary", "Summary: Ein Paket für dich", { summary: "Ein Paket für dich" }],
    ["a folded summary", "Summary: one\n  two\n\tthree", { summary: "one two three" }],
    ["a summary of old setuptools", "Summary: UNKNOWN", { summary: "" }],
    [
      "fields in any case",
      "SUMMARY: x\nrequires-python: >=3",
      { summary: "x", requiresPython: ">=3" },
    ],
    ["a field twice, of which the first counts", "Summary: a\nSummary: b", { summary: "a" }],
    [
      "several requirements",
      "Requires-Dist: a\nRequires-Dist: b (>=1)",
      { requiresDist: ["a", "b (>=1)"] },
    ],
    ["a broken requirement, as written", "Requires-Dist: a >>> 1", { requiresDist: ["a >>> 1"] }],
    ["extras", "Provides-Extra: x\nProvides-Extra: y", { providesExtra: ["x", "y"] }],
    [
      "a licence expression before the text",
      "License: long\nLicense-Expression: MIT",
      { licence: "MIT" },
    ],
    [
      "a licence of several lines",
      "License: MIT\n        Copyright\n        Me",
      { licence: "MIT\nCopyright\nMe" },
    ],
    [
      "a description as body",
      "\nThe body\n\nmore: of it\n",
      { description: "The body\n\nmore: of it\n" },
    ],
    [
      "a description as field",
      "Description: a\n       |  b\n        c",
      { description: "a\n  b\nc" },
    ],
    [
      "a body behind a line that is no field",
      "Summary: x\nthis is text\nmore",
      { summary: "x", description: "this is text\nmore" },
    ],
    [
      "a body behind a line without a name",
      ": x\nSummary: no",
      { summary: "", description: ": x\nSummary: no" },
    ],
    ["NUL in a value", "Summary: a\0b", { summary: "a\uFFFDb" }],
    ["a colon in a value", "Home-page: https://x.example", { homePage: "https://x.example" }],
  ])("may have %s", (_what, lines, expected) => {
    expect(parseMetadata(`${head}${lines}`)).toMatchObject(expected);
    expect(
      parseMetadata(Buffer.from(`\uFEFF${head}${lines}`.replaceAll("\n", "\r\n"))),
    ).toMatchObject(expected);
  });

  it("may hold bytes that are no UTF-8", () => {
    const bytes = Buffer.concat([
      Buffer.from(`${head}Summary: a`),
      Buffer.from([0xe9]),
      Buffer.from("b\n"),
    ]);
    expect(parseMetadata(bytes).summary).toBe("a\uFFFDb");
  });

  it.each([
    ["empty", "", "Name"],
    ["without a name", "Metadata-Version: 2.1\nVersion: 1\n", "Name"],
    ["with a name that is none", "Name: a b\nVersion: 1\n", "Name"],
    ["without a version", "Name: a\n", "Version"],
    ["with a broken version", "Name: a\nVersion: one\n", "Version"],
    ["of a later format", "Metadata-Version: 3.0\nName: a\nVersion: 1\n", "Metadata-Version"],
    ["larger than the limit", head + "x".repeat(MAX_METADATA_BYTES), "larger"],
  ])("is refused when it is %s", (_why, text, expected) => {
    expect(() => parseMetadata(text)).toThrow(MetadataError);
    expect(() => parseMetadata(text)).toThrow(expected);
  });

  it("of a hundred thousand folded lines and fields is read in time", () => {
    const hostile = `${head}Summary: ${"\n x".repeat(100_000)}\n${"a: b\n".repeat(50_000)}`;
    expect(parseMetadata(hostile).summary).toHaveLength(199_999);
  });
});
