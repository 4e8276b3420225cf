/** A log that flows on while the master is killed and its database's sessions end: each line counts once. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { downloads, LoggerProgram } from "../support/logger-program.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
let program: LoggerProgram;

beforeEach(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({ files: [] });
  farm = new TestFarm({ dsn: database.dsn, upstream });
  await farm.startMaster();
  program = new LoggerProgram("--log-queue", farm.logAddress);
}, 120_000);

afterEach(async () => {
  if (program.child.exitCode === null) program.child.kill("SIGKILL");
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

const rows = async () => {
  const [row] = await database.sql<
    { rows: number }[]
  >`select count(*)::int as rows from access_log`;
  return row?.rows ?? 0;
};
const untilMore = async (than: number) =>
  expect.poll(rows, { timeout: 60_000, interval: 20 }).toBeGreaterThan(than);

describe("a master that is killed while a log flows", () => {
  it("loses no line and counts none twice", async () => {
    const portion = 15_000;
    let total = 0;
    for (let kill = 0; kill < 2; kill += 1) {
      // The pipe holds more than was stored when the first rows of the portion are seen.
      const before = await rows();
      const writing = program.write(downloads(total, total + portion));
      total += portion;
      await untilMore(before);
      await farm.kill("master");
      for (const part of farm.masterProcesses) await farm.startMasterProcess(part);
      await writing;
    }
    const end = await program.end();
    expect(end).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${total} records stored\n`) as string,
    });
    const [counted] = await database.sql`
      select count(*)::int as rows, count(distinct address)::int as addresses,
        (select sum(downloads)::int from access_package_day) as days,
        (select sum(downloads)::int from access_package) as ever,
        (select sum(visits)::int from access_day where aspect = 'kind') as kinds from access_log`;
    expect(counted).toEqual({
      rows: total,
      addresses: total,
      days: total,
      ever: total,
      kinds: total,
    });
  });
});

describe("a database whose sessions end while a log flows", () => {
  it("stores each line once, and what is not committed is not acknowledged", async () => {
    const total = 30_000;
    const admin = openConnection(database.adminDsn, { applicationName: "fault test" });
    try {
      const writing = (async () => {
        for (let from = 0; from < total; from += 1_000)
          await program.write(downloads(from, from + 1_000));
      })();
      for (let round = 0; round < 5; round += 1) {
        await untilMore(Math.min(await rows(), total - 1));
        await admin`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like 'wheelwright oracle%' and datname = current_database()`;
      }
      await writing;
      expect((await program.end()).stdout).toContain(`${total} records stored\n`);
      expect(await rows()).toBe(total);
    } finally {
      await admin.end();
    }
  });
});
