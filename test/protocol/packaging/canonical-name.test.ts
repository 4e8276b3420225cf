import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalName,
  isValidName,
  MAX_NAME_LENGTH,
} from "../../../protocol/packaging/canonical-name.ts";

describe("the canonical name", () => {
  it.each([
    ["requests", "requests"],
    ["Django", "django"],
    ["oslo.concurrency", "oslo-concurrency"],
    ["A__b..C--d", "a-b-c-d"],
    ["Foo-_.Bar", "foo-bar"],
    ["1x", "1x"],
    ["\u212Aeras", "\u212Aeras"],
  ])("of %s is %s", (written, canonical) => {
    expect(canonicalName(written)).toBe(canonical);
  });

  it("is its own canonical name, whatever the text", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff)), (codes) => {
        const text = String.fromCharCode(...codes);
        const once = canonicalName(text);
        expect(canonicalName(once)).toBe(once);
      }),
    );
  });
});

describe("a project name", () => {
  it.each(["a", "A1", "zope.interface", "a_-.b", "x".repeat(MAX_NAME_LENGTH)])(
    "may be %s",
    (name) => {
      expect(isValidName(name)).toBe(true);
    },
  );

  it.each([
    ["empty", ""],
    ["beginning with a separator", "-a"],
    ["ending with a separator", "a."],
    ["holding a blank", "a b"],
    ["ending with a line feed", "a\n"],
    ["a path", "a/b"],
    ["holding letters beyond ASCII", "né"],
    ["holding a Kelvin sign", "\u212Aeras"],
    ["longer than 200 characters", "x".repeat(MAX_NAME_LENGTH + 1)],
  ])("is never %s", (_what, name) => {
    expect(isValidName(name)).toBe(false);
  });
});
