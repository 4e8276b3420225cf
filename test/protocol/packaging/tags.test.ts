import { describe, expect, it } from "vitest";
import { covers, expandTags, MAX_TAGS } from "../../../protocol/packaging/tags.ts";

describe("a compressed tag set", () => {
  it.each([
    ["py3-none-any", ["py3-none-any"]],
    ["py2.py3-none-any", ["py2-none-any", "py3-none-any"]],
    ["cp39-abi3.cp39-linux_x86_64", ["cp39-abi3-linux_x86_64", "cp39-cp39-linux_x86_64"]],
    ["CP39-None-Any", ["cp39-none-any"]],
    ["py3.py3-none-any", ["py3-none-any"]],
  ])("%s stands for %j", (compressed, tags) => {
    expect(expandTags(compressed)).toEqual(tags);
  });

  it.each([
    "",
    "py3",
    "py3-none",
    "py3-none-any-more",
    "py3--any",
    "py3..py2-none-any",
    "py3-none-a b",
    "py3-none-../x",
  ])("%j is refused", (compressed) => {
    expect(expandTags(compressed)).toBeUndefined();
  });

  it("may stand for a thousand tags and no more", () => {
    const set = (length: number) => Array.from({ length }, (_, i) => `x${i}`).join(".");
    expect(expandTags(`${set(10)}-${set(10)}-${set(10)}`)).toHaveLength(MAX_TAGS);
    expect(expandTags(`${set(11)}-${set(10)}-${set(10)}`)).toBeUndefined();
    expect(expandTags(`${set(9_000)}-${set(9_000)}-${set(9_000)}`)).toBeUndefined();
  });
});

describe("coverage", () => {
  const target = [
    "cp311-cp311-linux_aarch64",
    "cp311-abi3-linux_aarch64",
    "cp38-abi3-linux_aarch64",
    "py3-none-linux_aarch64",
    "py3-none-any",
  ];
  it.each([
    ["py3-none-any", true],
    ["py2.py3-none-any", true],
    ["py2-none-any", false],
    ["cp39-none-any", false],
    ["py3-none-linux_aarch64", true],
    ["py3-none-linux_armv7l", false],
    ["cp38-abi3-linux_aarch64", true],
    ["cp312-cp312-linux_aarch64", false],
  ])("of a CPython 3.11 target by %s: %s", (compressed, expected) => {
    expect(covers(expandTags(compressed) ?? [], target)).toBe(expected);
    expect(covers(expandTags(compressed) ?? [], new Set(target))).toBe(expected);
  });
});
