/** The reserve of the output disk, with the real programs: in one process, and with main and fs apart. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { type MasterShape, TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;

beforeEach(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["1.0", "2.0"].map((version) => slowSdist({ name: "slow", version })),
  });
}, 60_000);
afterEach(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

it.each<MasterShape>(["whole", "ipc"])(
  "while the disk has less, nothing is built and piw status says why; with a smaller reserve it goes on (%s)",
  { timeout: 120_000 },
  async (shape) => {
    // No disk has so much room, so the farm sleeps at once.
    const reserve = ["--disk-reserve", "8000TB"];
    farm = new TestFarm({ dsn: database.dsn, upstream, master: reserve, shape });
    await farm.startMaster();
    await farm.startSlave();
    const asleep = await farm.until(
      "the farm rests with its slave there and all of it queued",
      ({ slaves, ready, troubles }) =>
        slaves === 1 && ready === 2 && troubles.some((line) => line.includes("the output disk")),
    );
    expect(asleep.troubles.join()).toMatch(
      /big-brother: the output disk has .* and the reserve is 8\.0 PB: no builds are given out/,
    );
    expect(farm.logs()).toContain("no builds are given out");
    expect(await database.sql`select 1 from build`).toHaveLength(0);

    await farm.kill("master", "SIGTERM");
    reserve[1] = "1MB";
    await farm.startMaster();
    const report = await farm.untilIdle();
    expect(report.rows.map(({ version, state }) => [version, state])).toEqual([
      ["1.0", "built"],
      ["2.0", "built"],
    ]);
    expect(report.troubles.join()).not.toContain("output disk");
  },
);
