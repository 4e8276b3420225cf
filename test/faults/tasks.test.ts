/**
 * Tasks killed in mid-work: an Oracle (an error in mid-query, and its backend terminated), a transfer, a
 * slave session, and every other task of the tree. Nothing is lost, each version is published once.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import type { QueueReport } from "../../db/report.ts";
import type { DatabaseMessages } from "../../db/requests.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;

async function start(what: { buildMs?: number; payloadBytes?: number }, versions: string[]) {
  upstream = await startSampleUpstream({
    files: versions.map((version) => slowSdist({ name: "slow", version, ...what })),
  });
  master = await LocalMaster.start({ dsn: database.dsn, upstream, slaves: 2 });
}

beforeEach(async () => {
  database = await createTestDatabase();
}, 60_000);
afterEach(async () => {
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

const boom = () => new Error("a fault of the test");

/** Every version is built and published exactly once, and the site has nothing else. */
async function expectAllPublished(versions: string[]): Promise<QueueReport> {
  const report = await master.untilIdle(versions.length);
  expect(report.rows.map((row) => [row.version, row.state])).toEqual(
    versions.map((version) => [version, "built"]),
  );
  const files = await database.sql<{ filename: string }[]>`
    select filename from file where placed_at is not null order by filename`;
  expect(files.map((file) => file.filename)).toEqual(
    versions.map((version) => `slow-${version}-py3-none-any.whl`),
  );
  const wheels = readdirSync(join(master.folder, "www", "simple", "slow"));
  expect(wheels.filter((name) => name.endsWith(".whl"))).toHaveLength(versions.length);
  expect(await database.sql`select 1 from lease`).toHaveLength(0);
  return report;
}

const leased = async () => (await master.report()).leased > 0;

describe("an Oracle killed in mid-query", () => {
  const slowly = `select pg_sleep(0.5)`;

  it("costs nobody an answer: its request is run again by another", async () => {
    await start({}, ["1.0"]);
    await expectAllPublished(["1.0"]);
    const seraph = master.system.ref<DatabaseMessages>("/database/seraph");
    const admin = openConnection(database.adminDsn, { applicationName: "fault test" });
    try {
      // A lock that all reports wait for, so that the Oracles are surely in mid-query.
      await admin`begin`;
      await admin`lock table work in access exclusive mode`;
      const reports = Array.from({ length: 6 }, () =>
        seraph.ask("homePage", null, { timeoutMs: 30_000 }),
      );
      await master.until("the Oracles wait", async () => {
        const rows = await admin`
          select 1 from pg_stat_activity where wait_event_type = 'Lock'
            and application_name like 'wheelwright oracle%'`;
        return rows.length >= 1;
      });
      for (const path of master.actorsBelow("/database/oracles"))
        expect(master.system.crash(path, boom())).toBe(true);
      await admin`commit`;
      expect(await Promise.all(reports)).toHaveLength(6);
    } finally {
      await admin.end();
    }
  });

  it("loses nothing when its backend is terminated while builds run", async () => {
    await start({ buildMs: 300 }, ["1.0", "2.0", "3.0"]);
    const admin = openConnection(database.adminDsn, { applicationName: "fault test" });
    try {
      await admin.unsafe(slowly);
      let rounds = 0;
      const over = new AbortController();
      const killing = (async () => {
        while (!over.signal.aborted) {
          await admin`
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name like 'wheelwright%' and datname = current_database()`;
          rounds += 1;
          await admin.unsafe(slowly);
        }
      })();
      await master.until("builds run", leased);
      await master.until("some backends were killed", () => rounds > 6);
      over.abort();
      await killing;
    } finally {
      await admin.end();
    }
    await expectAllPublished(["1.0", "2.0", "3.0"]);
  });
});

describe("a transfer killed in mid-work", () => {
  it("goes on where it stopped", async () => {
    await start({ payloadBytes: 48 * 1024 ** 2 }, ["1.0"]);
    let kills = 0;
    await master.until("a transfer was killed twice", () => {
      for (const path of master.actorsBelow("/services/storage/transfers"))
        if (master.system.crash(path, boom())) kills += 1;
      return kills >= 2;
    });
    await expectAllPublished(["1.0"]);
    expect(await database.sql`select 1 from build`).toHaveLength(1);
  });
});

describe("a slave session killed in mid-work", () => {
  it("costs no build: the slave says HELLO again and goes on", async () => {
    await start({ buildMs: 1_500 }, ["1.0"]);
    await master.until("a build runs", leased);
    const [path = ""] = master.actorsBelow("/services/farm/sessions");
    expect(master.system.crash(path, boom())).toBe(true);
    for (const other of master.actorsBelow("/services/farm/sessions"))
      master.system.crash(other, boom());
    await expectAllPublished(["1.0"]);
    expect(await database.sql`select 1 from build`).toHaveLength(1);
  });
});

describe("any task killed while builds run", () => {
  it("is back by itself, and every version is published once", async () => {
    const versions = ["1.0", "2.0", "3.0"];
    await start({ buildMs: 500 }, versions);
    await master.until("a build runs", leased);
    const tasks = [
      "/links/slave",
      "/links/file",
      "/links/control",
      "/links/import",
      "/links/log",
      "/leadership/leader",
      "/database/seraph",
      "/database/listener",
      "/services/storage/file-juggler",
      "/services/farm/architect",
      "/services/farm/slave-driver",
      "/services/publishing/scribe",
      "/services/publishing/secretary",
      "/services/tools/mr-chase",
      "/services/statistics/lumberjack",
      "/services/tools/import-desk",
      "/services/upstream/cloud-gazer",
      "/services/hooks/herald",
      "/services/statistics/big-brother",
      "/observers/control",
      "/observers/status",
      "/services/web/http",
      "/services/web/readiness",
      "/services/web/metrics",
      "/services/web/dashboard",
    ];
    const untilRunning = (task: string) =>
      master.until(`${task} runs`, () =>
        master.actorsBelow(task.slice(0, task.lastIndexOf("/"))).includes(task),
      );
    // One that is just being restarted with its neighbour cannot be crashed at that moment.
    for (const task of tasks)
      await master.until(`${task} can be crashed`, () => master.system.crash(task, boom()));
    for (const task of tasks) await untilRunning(task);
    await expectAllPublished(versions);
  });
});
