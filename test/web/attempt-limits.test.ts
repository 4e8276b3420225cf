/** How often somebody may try in vain: buckets by address and in all, on a clock of the test. */
import { describe, expect, test } from "vitest";
import { AttemptLimits, addressKey } from "../../web/server/attempt-limits.ts";

let now = 0;
const limits = () =>
  new AttemptLimits({
    perAddress: { burst: 3, perSecond: 0.5 },
    inAll: { burst: 5, perSecond: 1 },
    now: () => now,
  });

describe("attempts", () => {
  test("of one address are refused beyond its burst, until some are forgotten", () => {
    const some = limits();
    expect([1, 2, 3].map(() => some.take("192.0.2.1"))).toEqual([0, 0, 0]);
    expect(some.take("192.0.2.1")).toBe(2);
    expect(some.take("192.0.2.2")).toBe(0);
    now += 1_999;
    expect(some.take("192.0.2.1")).toBe(1);
    now += 1;
    expect(some.take("192.0.2.1")).toBe(0);
    expect(some.take("192.0.2.1")).toBe(2);
  });

  test("of all addresses together are refused beyond their burst", () => {
    const some = limits();
    for (let at = 0; at < 5; at += 1) expect(some.take(`192.0.2.${at}`)).toBe(0);
    expect(some.take("192.0.2.9")).toBe(1);
    now += 1_000;
    expect(some.take("192.0.2.9")).toBe(0);
  });

  test("that were not in vain leave no trace", () => {
    const some = limits();
    for (let at = 0; at < 20; at += 1) {
      expect(some.take("192.0.2.1")).toBe(0);
      some.giveBack("192.0.2.1");
    }
  });

  test("of a million addresses in a day leave few to remember", () => {
    const some = limits();
    for (let at = 0; at < 100_000; at += 1) {
      now += 864;
      some.take(`2001:db8:${(at >> 8).toString(16)}:${(at & 255).toString(16)}::1`);
    }
    expect(some.size).toBeLessThan(20);
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:DB8:0001:2:ffff:ffff:ffff:ffff", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["2001:db8:0:0:1::", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["::", "0:0:0:0"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["", "elsewhere"],
  ["no address", "elsewhere"],
])("%s counts as %s", (address, key) => {
  expect(addressKey(address)).toBe(key);
});
