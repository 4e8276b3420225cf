import { expect, it } from "vitest";
import { requiresPythonAdmits } from "../../../protocol/packaging/requires-python.ts";

it.each([
  [null, "3.11.2", true],
  ["", "3.11.2", true],
  [">=3.8", "3.11.2", true],
  [">=3.12", "3.11.2", false],
  [">=2.7, !=3.0.*, !=3.1.*", "3.1.5", false],
  ["<3.12", "3.12.0rc1", false],
  [">=3.13", "3.13.0rc1", true],
  [">=3.13", "3.13.0+", true],
  ["~=3.6", "3.11", true],
  ["==3.11", "3.11.2", false],
  [">=3.6.*", "2.7", true],
  ["nonsense", "3.11.2", true],
  [">=3.12", "nonsense", true],
])("%s admits %s: %s", (requiresPython, pythonFullVersion, expected) => {
  expect(requiresPythonAdmits(requiresPython, pythonFullVersion)).toBe(expected);
});
