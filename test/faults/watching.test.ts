/** A watcher of a real master: what it knows is what there is, and whatever happens to either it comes back. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MasterWatcher, watchMaster } from "../../protocol/watching/master-watcher.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["1.0", "2.0"].map((version) => slowSdist({ name: "slow", version, buildMs: 100 })),
  });
  master = await LocalMaster.start({
    dsn: database.dsn,
    upstream,
    slaves: 1,
    times: { statisticsMs: 200 },
  });
}, 90_000);
afterAll(async () => {
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

describe("a watcher", () => {
  it("knows the slaves, the figures and their last hour, and hears of what happens", async () => {
    let calls = 0;
    const watcher: MasterWatcher = watchMaster({
      controlAddress: `ipc://${master.folder}/control`,
      statusAddress: `ipc://${master.folder}/status`,
      log: silentLogger,
      onChange: () => {
        calls += 1;
      },
    });
    const { picture } = watcher;
    try {
      await master.untilIdle(2);
      await master.until("the figures are there", () => picture.figures.farm?.files === 2);
      await master.until("it is caught up", () => picture.connection.isCaughtUp);
      expect(picture.connection).toMatchObject({ state: "here", isHearing: true });
      await master.until("the slave's machine is known", () =>
        picture.slaves().some(({ stats }) => stats !== null),
      );
      await master.until("the slave is idle", () => picture.slaves()[0]?.state === "idle");
      expect(picture.findPast({ kind: "farm", id: 0 })).not.toHaveLength(0);
      expect(calls).toBeGreaterThan(0);
      watcher.lookAtTree(100);
      await master.until("the tree is there", () => picture.tree !== null);
    } finally {
      await watcher.close();
    }
  });
});
