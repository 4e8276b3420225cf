/** What is read of wheels while they arrive: a help, never a condition. */
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ArrivalReader } from "../../../actors/master/arrival-reader.ts";
import { wheelBytes } from "../../support/plain-wheel.ts";

const MIB = 1024 * 1024;
const wheel = wheelBytes({ name: "pkg", version: "1.0", ballastBytes: 2 * MIB });

let folder: string;
let reader: ArrivalReader;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "arrival-"));
  reader = new ArrivalReader(new URL("./arrival-thread-from-source.js", import.meta.url));
});
afterEach(async () => {
  await reader.close();
  rmSync(folder, { recursive: true });
});

it("a wheel that comes bit by bit was read when it is whole, several at a time", async () => {
  const names = ["a", "b", "c"].map((name) => join(folder, name));
  for (const path of names) writeFileSync(path, "");
  const arriving = names.map((path) => reader.follow(path));
  for (let at = 0; at < wheel.length; at += 100_000) {
    for (const [which, path] of names.entries()) {
      appendFileSync(path, wheel.subarray(at, at + 100_000));
      arriving[which]?.grew(Math.min(wheel.length, at + 100_000));
    }
  }
  const seen = await Promise.all(arriving.map((each) => each.seen()));
  expect(seen.map((entries) => entries.map(({ sizeBytes }) => sizeBytes))).toEqual([
    [2 * MIB],
    [2 * MIB],
    [2 * MIB],
  ]);
});

it("of one that is given up, that is shorter than was said, or that is not there nothing was seen", async () => {
  const path = join(folder, "a");
  writeFileSync(path, wheel);
  truncateSync(path, MIB);
  const short = reader.follow(path);
  short.grew(wheel.length);
  expect(await short.seen()).toEqual([]);
  const absent = reader.follow(join(folder, "nothing"));
  absent.grew(wheel.length);
  expect(await absent.seen()).toEqual([]);
  const stopped = reader.follow(path);
  stopped.grew(MIB);
  const waiting = stopped.seen();
  stopped.stop();
  expect(await waiting).toEqual([]);
  expect(await stopped.seen()).toEqual([]);
});

it("whoever waits for a thread that ends waits no longer, and the next wheel has another thread", async () => {
  const path = join(folder, "a");
  writeFileSync(path, wheel);
  const first = reader.follow(path);
  first.grew(wheel.length);
  const waiting = first.seen();
  await reader.close();
  // It may have been done before its end.
  expect((await waiting).length).toBeLessThanOrEqual(1);
  first.grew(wheel.length);
  first.stop();
  const second = reader.follow(path);
  second.grew(wheel.length);
  expect(await second.seen()).toHaveLength(1);
});
