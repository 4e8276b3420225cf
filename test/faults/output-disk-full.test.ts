/**
 * The master's output disk runs full in the middle of a transfer, for real. The slave is told why and keeps its build, the
 * farm rests, nothing half-written is left or public; with room again all goes on by itself. Needs the right to mount.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { productVersion } from "../../config/version.ts";
import type { ToFileSender } from "../../protocol/links/files.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import type { BodyOf } from "../../supervisor/index.ts";
import { LyingSlave, sha256, stats } from "../support/lying-slave.ts";
import { wheelBytes } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { target } from "../support/queue-fixture.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { canMount, SmallDisk } from "../support/small-disk.ts";
import { TestFarm } from "../support/test-farm.ts";

const MIB = 1024 * 1024;
const isAllowed = canMount();
const title = isAllowed ? "" : " (skipped: this user may not mount)";

describe.skipIf(!isAllowed)(`the output disk is full${title}`, () => {
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let disk: SmallDisk;
  let slave: LyingSlave;

  beforeEach(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({
      files: ["1.0", "2.0"].map((version) => slowSdist({ name: "big", version })),
    });
    const reserve = ["--disk-reserve", "10MB"];
    farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole", master: reserve });
    disk = new SmallDisk(farm.output, "60m");
    await farm.startMaster();
    slave = new LyingSlave({
      slaveAddress: `tcp://127.0.0.1:${farm.linkPorts.slave}`,
      fileAddress: `tcp://127.0.0.1:${farm.linkPorts.file}`,
      ...{ slot: "slave", version: productVersion, target: target(11) },
    });
  }, 90_000);
  afterEach(async () => {
    await slave.close();
    // What lies below it is the farm's to remove.
    disk.end();
    await farm.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  it("in the middle of a transfer: its slave hears why, the farm rests, and the wheel is public when there is room", async () => {
    await slave.begin();
    const order = await slave.order();
    const bytes = wheelBytes({ name: "big", version: order.version, ballastBytes: 12 * MIB });
    const filename = `big-${order.version}-py3-none-any.whl`;
    slave.files.set(filename, Buffer.from(bytes));
    const held: BodyOf<ToFileSender, "FETCH">[] = [];
    slave.answer = (fetch) => {
      if (fetch.offset < 4 * MIB) slave.answerHonestly(fetch);
      else held.push(fetch);
    };
    const file = { filename, sizeBytes: bytes.length, sha256: sha256(bytes), aptDependencies: [] };
    slave.built(order.token, { files: [file] });
    await slave.until("the middle of the file", () => held.length > 0);
    disk.fill();
    slave.answer = (fetch) => {
      slave.answerHonestly(fetch);
    };
    for (const fetch of held) slave.answerHonestly(fetch);

    const { token, reason } = await slave.next("HELD");
    expect(token).toBe(order.token);
    expect(reason).toMatch(/^(no room left on the output disk|the output disk has .* free)/);
    expect(existsSync(join(farm.output, "simple", "big", filename))).toBe(false);
    await farm.until("the farm rests", ({ troubles }) =>
      troubles.join().includes("no builds are given out"),
    );
    const told = slave.heard.length;
    slave.say("IDLE", { stats });
    await slave.until("no build is given out", () =>
      slave.heard.slice(told).some(({ type }) => type === "SLEEP"),
    );
    expect(slave.heard.slice(told).some(({ type }) => type === "BUILD")).toBe(false);

    disk.makeRoom();
    await slave.next("DONE", (body) => body.token === order.token);
    const placed = join(farm.output, "simple", "big", filename);
    expect(sha256(readFileSync(placed))).toBe(file.sha256);
    const builds =
      await database.sql`select outcome, cause from build where token = ${order.token}`;
    expect(builds).toEqual([{ outcome: "published", cause: "built" }]);
    await farm.until(
      "the farm has woken",
      ({ troubles }) => !troubles.join().includes("no builds are given out"),
    );
    expect((await slave.order(({ version }) => version !== order.version)).token).toBeGreaterThan(
      order.token,
    );
  }, 180_000);
});
