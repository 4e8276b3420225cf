/** Whom a label means, where the database is not there to say it. */
import { expect, it } from "vitest";
import { slaveMatcher } from "../../../protocol/model/steering.ts";

it.each([
  ["cellar", "cellar", true],
  ["cellar", "cellar#2", true],
  ["cellar#2", "cellar#2", true],
  ["cellar#2", "cellar#1", false],
  ["cellar", "cellar-west", false],
  ["cellar*", "cellar-west", true],
  ["*", "anything", true],
  ["*west", "cellar-west#3", true],
  ["c*r*t", "cellar-west", true],
  ["a*a", "a", false],
  ["ab*bc", "abc", false],
  ["c.llar", "cellar", false],
  ["", "cellar", false],
])("%s for %s: %s", (label, slave, isMeant) => {
  expect(slaveMatcher({ label })({ slaveId: 1, label: slave })).toBe(isMeant);
});

it("a pattern of a hundred stars takes no longer than another", () => {
  const isMeant = slaveMatcher({ label: `${"a*".repeat(100)}b` });
  expect(isMeant({ slaveId: 1, label: "a".repeat(200) })).toBe(false);
});

it("a number means one slave, whatever its label", () => {
  expect(slaveMatcher({ id: 7 })({ slaveId: 7, label: "8" })).toBe(true);
  expect(slaveMatcher({ id: 7 })({ slaveId: 8, label: "7" })).toBe(false);
});
