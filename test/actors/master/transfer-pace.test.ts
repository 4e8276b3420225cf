/** How slow a transfer may be while others wait. */
import { expect, it } from "vitest";
import { TransferPace } from "../../../actors/master/transfer-pace.ts";

const MINUTE = 60_000;
const KIB = 1024;

it("is judged by a whole window, not before its end, and each window anew", () => {
  const pace = new TransferPace(10 * MINUTE, 0);
  expect(pace.isTooSlow(10 * MINUTE - 1)).toBe(false);
  expect(pace.isTooSlow(10 * MINUTE)).toBe(true);
  expect(pace.isTooSlow(11 * MINUTE)).toBe(false);
  expect(pace.isTooSlow(20 * MINUTE)).toBe(true);
});

it("8 KiB a second are enough, whenever they come within the window, and a byte less is not", () => {
  const enough = 8 * KIB * 600;
  for (const [bytes, isTooSlow] of [
    [enough, false],
    [enough - 1, true],
  ] as const) {
    const pace = new TransferPace(10 * MINUTE, 0);
    pace.got(bytes);
    expect(pace.isTooSlow(10 * MINUTE)).toBe(isTooSlow);
  }
});

it("a byte each second is not enough, however long it goes on", () => {
  const pace = new TransferPace(10 * MINUTE, 0);
  let ends = 0;
  for (let second = 1; second <= 3_600; second += 1) {
    pace.got(1);
    if (pace.isTooSlow(second * 1_000)) ends += 1;
  }
  expect(ends).toBe(6);
});

it("time in which the master is waited for is not the sender's", () => {
  const pace = new TransferPace(10 * MINUTE, 0);
  pace.rest(9 * MINUTE);
  expect(pace.isTooSlow(18 * MINUTE)).toBe(false);
  expect(pace.isTooSlow(19 * MINUTE)).toBe(true);
});
