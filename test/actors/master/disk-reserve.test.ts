import { expect, it } from "vitest";
import { restReason } from "../../../actors/master/disk-reserve.ts";

const reserve = 1e9;
const room = (freeBytes: number) => ({ freeBytes, sizeBytes: 100e9 });

it.each([
  ["has less than the reserve", 999_999_999, false, true],
  ["has just the reserve", 1e9, false, false],
  [
    "has a little more than the reserve while it rests: not on and off with every build",
    1_099_999_999,
    true,
    true,
  ],
  ["has a tenth more than the reserve", 1_100_000_000, true, false],
  ["is full", 0, false, true],
])("a disk that %s (%i bytes)", (_what, freeBytes, isResting, rests) => {
  expect(restReason(room(freeBytes), reserve, isResting) !== null).toBe(rests);
});

it("the reason says what is there, what is to be there, and when it goes on", () => {
  expect(restReason(room(2e8), reserve, false)).toBe(
    "the output disk has 200 MB free and the reserve is 1.0 GB: no builds are given out until it has 1.1 GB",
  );
});

it("a reserve of 0 never rests", () => {
  expect(restReason(room(0), 0, true)).toBeNull();
});
