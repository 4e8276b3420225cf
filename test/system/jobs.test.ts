/** A slave that builds several packages at once: each job is a session of its own at the master. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { LinkProxy } from "../support/link-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
let proxies: LinkProxy[] = [];
const jobs = ["--jobs", "2"];

async function startFarm(buildMs: number, isProxied = false): Promise<void> {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["1.0", "2.0"].map((version) => slowSdist({ name: "slow", version, buildMs })),
  });
  farm = new TestFarm({ dsn: database.dsn, upstream, slave: jobs });
  await farm.startMaster();
  const { slave, file } = farm.linkPorts;
  proxies = isProxied ? [await LinkProxy.start(slave), await LinkProxy.start(file)] : [];
  const [slaveLink, fileLink] = proxies;
  await farm.startSlave(1, { slave: slaveLink?.port ?? slave, file: fileLink?.port ?? file });
}
beforeEach(() => {
  jobs[1] = "2";
});
afterEach(async () => {
  await farm.end();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await upstream.close();
  await database.end();
}, 60_000);

/** None from a master that does not answer yet. */
const rows = () =>
  farm.control("SLAVES", {}).then(
    ({ slaves }) => slaves,
    () => [],
  );
const bothBuilding = () =>
  until(
    "both jobs to build",
    async () => {
      const all = await rows();
      return all.filter(({ state }) => state === "building").length === 2 ? all : undefined;
    },
    60_000,
  );

it("builds two at once, each of which can be skipped alone; killed, it ends with both", async () => {
  await startFarm(600_000);
  const [first, second] = await bothBuilding();
  expect([first?.label, second?.label]).toEqual(["slave-1#1", "slave-1#2"]);
  expect(second?.slot).toBe(`${first?.slot}#2`);
  expect(first?.build?.version).not.toBe(second?.build?.version);

  const skip = { slaves: { id: second?.id ?? 0 }, action: "skip", by: "test" } as const;
  expect((await farm.control("STEER", skip)).slaves).toMatchObject([
    { label: "slave-1#2", isDone: true },
  ]);
  // Both jobs are of one machine, so that neither is given it again at once.
  await farm.until("it is on the queue", ({ leased, ready }) => leased === 1 && ready === 1);
  expect((await rows()).map(({ build }) => build?.token)).toEqual([first?.build?.token, undefined]);

  const kill = { slaves: { label: "slave-1#2" }, action: "kill", by: "test" } as const;
  expect((await farm.control("STEER", kill)).slaves).toMatchObject([
    { label: "slave-1#1" },
    { label: "slave-1#2" },
  ]);
  await farm.untilEnded(["slave-1"]);
  await farm.until("both are for others", ({ leased, ready }) => leased === 0 && ready === 2);
}, 180_000);

it("started again with fewer jobs it delivers what the others had finished", async () => {
  await startFarm(5_000);
  await bothBuilding();
  await farm.kill("master");
  const outbox = join(farm.folder, "slave-1", "outbox");
  await until(
    "both to be finished",
    () => {
      const entries = readdirSync(outbox);
      const isWhole = (token: string) => existsSync(join(outbox, token, "result.json"));
      return entries.length === 2 && entries.every(isWhole) ? true : undefined;
    },
    90_000,
  );
  await farm.kill("slave-1");
  jobs[1] = "1";
  await farm.startSlave();
  await farm.startMaster();
  const report = await farm.untilIdle();
  expect(report.rows.map(({ version, state }) => [version, state])).toEqual([
    ["1.0", "built"],
    ["2.0", "built"],
  ]);
  expect(await database.sql`select token from build`).toHaveLength(2);
  await until("the second job to leave", async () =>
    (await rows()).filter(({ state }) => state !== "silent" && state !== "gone").length === 1
      ? true
      : undefined,
  );
  expect(readdirSync(outbox)).toEqual([]);
}, 240_000);

it("speaks for all its jobs on one connection; cut off, they go on together", async () => {
  await startFarm(3_000, true);
  const [slaveLink] = proxies;
  const one = () => (slaveLink?.standing === 1 ? true : undefined);
  await bothBuilding();
  // On a busy machine it may be a second one that has just taken the first one's place.
  await until("one connection to stand", one);
  slaveLink?.cut();
  const report = await farm.untilIdle();
  expect(report.rows.map(({ version, state }) => [version, state])).toEqual([
    ["1.0", "built"],
    ["2.0", "built"],
  ]);
  await until("one connection to stand again", one);
  expect(await database.sql`select token from build`).toHaveLength(2);
}, 240_000);
