/**
 * Two masters on one database: the second is refused, unless the first is gone; one that slept while another
 * took its place stops and changes nothing. And a database that was restored from an older backup.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { type MasterShape, TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farms: TestFarm[];

beforeEach(async () => {
  farms = [];
  database = await createTestDatabase();
  upstream = await startSampleUpstream({ files: [slowSdist({ name: "slow", version: "1.0" })] });
}, 60_000);
afterEach(async () => {
  for (const farm of farms) await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

interface NewFarm {
  readonly master?: readonly string[];
  readonly shape?: MasterShape;
}

function newFarm({ master = [], shape = "whole" }: NewFarm = {}): TestFarm {
  const farm = new TestFarm({ dsn: database.dsn, upstream, master, shape });
  farms.push(farm);
  return farm;
}

/** Of the part of a master that has the database. */
const databaseProcess = (farm: TestFarm) =>
  farm.masterProcesses.length > 1 ? "master-db" : "master";

const holder = async () =>
  (
    await database.sql<{ pid: number; held: boolean }[]>`
    select pid, coalesce(expires_at > now(), false) as held from leader`
  )[0];

const untilBuilt = (farm: TestFarm) =>
  farm.until(
    "the build is published",
    ({ rows, unpublished }) => rows[0]?.state === "built" && unpublished === 0,
  );

async function until(what: string, fits: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await fits())) {
    if (performance.now() > deadline)
      throw new Error(`not in time: ${what}\n${farms.map((farm) => farm.logs()).join("\n")}`);
    await delay(50);
  }
}

describe("a second master on a database", () => {
  it.each(["whole", "ipc"] as const)(
    "ends with one line that names the first, which goes on (%s)",
    async (shape) => {
      const first = newFarm({ shape });
      await first.startMaster();
      await until("the first holds the database", async () => (await holder())?.held === true);
      const pid = first.pidOf(databaseProcess(first));
      const second = newFarm();
      await second.startMaster();
      await second.untilEnded([databaseProcess(second)]);
      expect(second.exitCode(databaseProcess(second))).toBe(1);
      const said = second
        .logs()
        .split("\n")
        .filter((line) => line.startsWith("piw-master: "));
      expect(said).toEqual([
        expect.stringContaining(
          `the master on ${hostname()} (process ${pid}, since `,
        ) as unknown as string,
      ]);
      await first.startSlave();
      await untilBuilt(first);
    },
  );

  it("begins at once where the first was killed, or has ended in order", async () => {
    const first = newFarm();
    await first.startMaster();
    await until("the first holds the database", async () => (await holder())?.held === true);
    await first.kill("master");
    expect((await holder())?.held).toBe(true);
    const second = newFarm();
    await second.startMaster();
    await second.startSlave();
    await untilBuilt(second);
    expect((await holder())?.pid).toBe(second.pidOf(databaseProcess(second)));
    expect(await second.kill("master", "SIGTERM")).toBe(0);
    expect((await holder())?.held).toBe(false);
  });

  it("begins when the first has slept too long, which stops when it wakes, and has changed nothing", async () => {
    const first = newFarm();
    await first.startMaster();
    await first.until("upstream is followed", (report) => report.followed);
    first.signal(databaseProcess(first), "SIGSTOP");
    await until("its time is over", async () => (await holder())?.held === false);
    const second = newFarm();
    await second.startMaster();
    await until("the second has the database", async () => (await holder())?.held === true);
    first.signal(databaseProcess(first), "SIGCONT");
    await first.untilEnded([databaseProcess(first)]);
    expect(first.exitCode(databaseProcess(first))).toBe(1);
    expect(first.logs()).toMatch(
      /piw-master: the master on .* has taken this database over: this one stops/,
    );
    expect((await holder())?.pid).toBe(second.pidOf(databaseProcess(second)));
    await second.startSlave();
    await untilBuilt(second);
  });

  it("takes it from a living one where that is asked for", async () => {
    const first = newFarm();
    await first.startMaster();
    await until("the first holds the database", async () => (await holder())?.held === true);
    const second = newFarm({ master: ["--take-over"] });
    await second.startMaster();
    await first.untilEnded([databaseProcess(first)]);
    expect(first.exitCode(databaseProcess(first))).toBe(1);
    await second.startSlave();
    await untilBuilt(second);
  });
});

describe("a database restored from an older backup", () => {
  /** As `createdb --template` copies it: nobody may be connected. */
  async function copyDatabase(admin: Sql, from: string, to: string): Promise<void> {
    await admin.unsafe(`drop database if exists "${to}" with (force)`);
    await admin`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = ${from} and pid <> pg_backend_pid()`;
    await admin.unsafe(`create database "${to}" template "${from}" owner piwheels_owner`);
  }

  const tokens = async () =>
    (await database.sql<{ token: number }[]>`select token from build order by token`).map(
      (row) => row.token,
    );
  const hashOf = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

  it("gives no token out twice, leaves published files as they are, and what it forgot is built anew", async () => {
    const admin = openConnection(database.adminDsn.replace(/\/test_\w+/, "/postgres"));
    const [{ name } = { name: "" }] = await database.sql<{ name: string }[]>`
      select current_database() as name`;
    const farm = newFarm();
    try {
      await farm.startMaster();
      await farm.startSlave();
      await farm.untilIdle();
      await farm.kill("master", "SIGTERM");
      await copyDatabase(admin, name, `${name}_backup`);

      // What the backup knows nothing of: a wheel that was published, and a build that a slave is on.
      await farm.startMaster();
      upstream.publish(slowSdist({ name: "slow", version: "2.0" }));
      await farm.until(
        "2.0 is published",
        ({ rows, unpublished }) =>
          rows.filter(({ state }) => state === "built").length === 2 && unpublished === 0,
      );
      upstream.publish(slowSdist({ name: "slow", version: "3.0", buildMs: 3_000 }));
      await farm.until("3.0 is being built", ({ leased }) => leased === 1);
      await farm.kill("master");
      const given = await tokens();
      const published = join(farm.output, "simple", "slow", "slow-2.0-py3-none-any.whl");
      const hash = hashOf(published);

      await copyDatabase(admin, `${name}_backup`, name);
      await farm.startMaster();
      const report = await farm.until(
        "all is built and published",
        (now) =>
          now.rows.filter(({ state }) => state === "built").length === 3 &&
          now.ready + now.leased + now.waiting + now.unpublished === 0,
      );
      expect(report.rows.map(({ version, state }) => [version, state]).sort()).toEqual([
        ["1.0", "built"],
        ["2.0", "built"],
        ["3.0", "built"],
      ]);
      const known = given.slice(0, 1);
      const later = (await tokens()).filter((token) => !known.includes(token));
      expect(later.length).toBeGreaterThanOrEqual(2);
      expect(Math.min(...later)).toBeGreaterThan(Math.max(...given));
      expect(hashOf(published)).toBe(hash);
      expect(existsSync(join(farm.output, "simple", "slow", "slow-2.0-1-py3-none-any.whl"))).toBe(
        true,
      );
      expect(
        await database.sql`select from file where placed_at is null and cleared_at is null`,
      ).toHaveLength(0);
      await farm.pipInstall("slow==2.0");
      await farm.pipInstall("slow==3.0");
    } finally {
      await farm.kill("master");
      await admin.unsafe(`drop database if exists "${name}_backup" with (force)`);
      await admin.end();
    }
  });
});
