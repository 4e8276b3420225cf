/** Which runner builds what, and how a shell's command is filled in. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseRunner, type Runner } from "../../../actors/slave/runner.ts";
import { fillIn } from "../../../actors/slave/runner-shell.ts";

const runner = (name: string, ...match: string[]): Runner => ({
  name,
  match,
  run: { kind: "pip", arguments: [] },
  path: [],
  settings: {},
});

const runners = {
  list: [
    runner("exact", "numpy", "Zope.Interface"),
    runner("of a target", "cp39-*/scipy"),
    runner("by its ends", "*-stubs", "lib*-py*"),
    runner("unmatched"),
  ],
  fallback: runner("pip"),
};

test.each([
  ["numpy", "cp311-linux_x86_64", "exact"],
  ["zope-interface", "cp311-linux_x86_64", "exact"],
  ["numpy2", "cp311-linux_x86_64", "pip"],
  ["scipy", "cp39-linux_x86_64", "of a target"],
  ["scipy", "cp311-linux_x86_64", "pip"],
  ["pandas-stubs", "cp39-linux_x86_64", "by its ends"],
  ["libfrob-py3", "cp39-linux_x86_64", "by its ends"],
  ["lib-py", "cp39-linux_x86_64", "by its ends"],
  ["libpy", "cp39-linux_x86_64", "pip"],
])("%s for %s is built by the runner %s", (name, target, expected) => {
  expect(chooseRunner(runners, { package: name, target }).name).toBe(expected);
});

test("a value is one word and never code, however the command quotes it", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "")),
      (value) => {
        // What a shell passes on in a variable's place it cannot change: compare with that.
        const command = fillIn(`printf '%s|' %OUT "%OUT" '%OUT' a%OUT`, { OUT: value });
        const printed = execFileSync("/bin/sh", ["-c", command], { encoding: "utf8" });
        expect(printed).toBe(`${value}|${value}|${value}|a${value}|`);
      },
    ),
    { numRuns: 50, examples: [["$(id)"], ["`id`"], ["'"], ['"'], ["\\"], ["a b\n"]] },
  );
});

test("what is no word of the order stays as it is", () => {
  const command = "date +%Y; echo $" + "{PATH%%:*} \\%OUT %NOTHING %";
  expect(fillIn(command, { OUT: "/o" })).toBe(command);
});
