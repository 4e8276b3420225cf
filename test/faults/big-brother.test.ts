/** Big Brother without what it needs: its figures have a gap, the rest that it keeps the farm at has none. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import { controlLink } from "../../protocol/links/control.ts";
import { statusLink } from "../../protocol/links/status.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import { figureNames, type HistoryPoint } from "../../protocol/model/statistics.ts";
import type { FarmEvent } from "../../protocol/model/status.ts";
import { connectEndpoint, connectSubscriber } from "../../protocol/transport/index.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { eachNode, silentLogger } from "../../supervisor/index.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;

const ENDLESS_BYTES = 2 ** 53 - 1;
const boom = () => new Error("a fault of the test");
const BIG_BROTHER = "/services/statistics/big-brother";
const ARCHITECT = "/services/farm/architect";

async function start(versions: string[], diskReserveBytes = 0) {
  upstream = await startSampleUpstream({
    files: versions.map((version) => slowSdist({ name: "slow", version, buildMs: 100 })),
  });
  master = await LocalMaster.start({
    dsn: database.dsn,
    upstream,
    slaves: 1,
    diskReserveBytes,
    // As short as it can be seen.
    times: { statisticsMs: 100, diskCheckMs: 100 },
  });
}

beforeEach(async () => {
  database = await createTestDatabase();
}, 60_000);
afterEach(async () => {
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

const known = () => master.system.ref<ToBigBrother>(BIG_BROTHER).ask("EVERYTHING");
const troubleOf = (path: string) =>
  [...eachNode(master.system.tree())].find((node) => node.path === path)?.degraded?.reason;
const lived = (path: string) =>
  master.actorsBelow(path.slice(0, path.lastIndexOf("/"))).includes(path);
const ready = async (versions: number) => (await master.report()).ready === versions;

describe("a farm whose output disk is nearly full", () => {
  it("gives out no build, also after its tasks were started again, and says why", async () => {
    await start(["1.0", "2.0"], ENDLESS_BYTES);
    await master.until("all is queued", () => ready(2));
    await master.until("it rests", async () => (await known()).resting !== null);
    expect(troubleOf(BIG_BROTHER)).toMatch(/^the output disk has .* no builds are given out until/);
    for (const path of [ARCHITECT, BIG_BROTHER, "/services/storage/file-juggler"]) {
      await master.until(`${path} can be crashed`, () => master.system.crash(path, boom()));
      await master.until(`${path} is back`, () => lived(path));
      await master.until("it rests", async () => (await known()).resting !== null);
      // A slave asks for work every 3 s, and now that it is connected anew.
      for (const session of master.actorsBelow("/services/farm/sessions"))
        master.system.crash(session, boom());
      await master.until("the slave has asked again", async () => {
        const slaves = (await known()).slaves;
        return slaves.some(({ heardAt }) => Date.now() - heardAt < 500);
      });
      expect(await ready(2)).toBe(true);
    }
    expect(await database.sql`select 1 from build`).toHaveLength(0);
  });
});

describe("Big Brother killed", () => {
  it("knows all of it again within one look, and the history goes on", async () => {
    await start(["1.0"]);
    await master.untilIdle(1);
    await master.until("the slave was heard", async () => (await known()).slaves.length === 1);
    expect(master.system.crash(BIG_BROTHER, boom())).toBe(true);
    await master.until("it is back", () => lived(BIG_BROTHER));
    await master.until("the figures are there", async () => (await known()).farm?.files === 1);
    const { farm, targets, master: host } = await known();
    expect(farm).toMatchObject({ packages: 1, versionsBuilt: 1, builds: 1, ready: 0, failed: 0 });
    expect(farm).toMatchObject({
      buildsLastHour: 1,
      newVersionsLastHour: 1,
      versions: 1,
      slaves: 1,
    });
    expect(farm?.buildTimeMs).toBeGreaterThan(100);
    expect(targets.map(({ figures }) => figures.files)).toEqual([1]);
    expect(host?.diskSizeBytes).toBeGreaterThan(0);
    expect(host?.memorySizeBytes).toBeGreaterThan(0);
  });
});

describe("the database away", () => {
  it("leaves a gap in the history and nothing else", async () => {
    await start(["1.0"], 1);
    await master.untilIdle(1);
    await master.until("there is history", async () => {
      return (await database.sql`select 1 from history where kind = 'farm'`).length > 0;
    });
    const before = await known();
    const name = /\/(test_\w+)/.exec(database.dsn)?.[1] ?? "";
    const admin = openConnection(database.adminDsn.replace(name, "postgres"));
    try {
      await admin.unsafe(`alter database ${name} allow_connections false`);
      await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'wheelwright%' and datname = ${name}`;
      await master.until("it says what it is without", () =>
        /no figures are kept now/.test(troubleOf(BIG_BROTHER) ?? ""),
      );
      // Still told what is known, with the disk as it is now.
      expect((await known()).farm).toEqual(before.farm);
      expect((await known()).master?.diskSizeBytes).toBeGreaterThan(0);
      await admin.unsafe(`alter database ${name} allow_connections true`);
    } finally {
      await admin.end();
    }
    await master.until("all is well again", () => troubleOf(BIG_BROTHER) === undefined);
    await master.until("the figures are new", async () => {
      return ((await known()).asOf ?? 0) > (before.asOf ?? 0);
    });
  });
});

describe("a monitor", () => {
  it("that says HELLO is sent everything known, asks for what was, and then hears the news", async () => {
    await start(["1.0"]);
    const events: FarmEvent[] = [];
    const news = connectSubscriber(statusLink, {
      address: `ipc://${master.folder}/status`,
      log: silentLogger,
      onMessage: ({ body }) => void events.push(body),
      onGap: () => undefined,
    });
    const control = connectEndpoint(controlLink, {
      address: `ipc://${master.folder}/control`,
      log: silentLogger,
      handlers: { up: () => undefined, message: () => undefined, down: () => undefined },
    });
    try {
      await master.untilIdle(1);
      await master.until("the figures are taken", async () => {
        const { farm, slaves } = await control.ask("HELLO", {}, 5_000);
        return farm?.files === 1 && slaves.length === 1;
      });
      const everything = await control.ask("HELLO", {}, 5_000);
      const [slave] = everything.slaves;
      expect(slave).toMatchObject({ label: "slave-1" });
      for (const [kind, subject] of [
        ["farm", 0],
        ["master", 0],
        ["slave", slave?.slaveId ?? 0],
        ["target", everything.targets[0]?.id ?? 0],
      ] as const) {
        let points: readonly HistoryPoint[] = [];
        await master.until(`there is history of the ${kind}`, async () => {
          const question = { kind, subject, stepS: 10 as const, after: null };
          ({ points } = await control.ask("HISTORY", question, 5_000));
          return points.length > 0;
        });
        expect(points[0]?.average).toHaveLength(figureNames[kind].length);
      }
      await master.until("it hears of the figures and of the slave's machine", () => {
        const kinds = new Set(events.map(({ kind }) => kind));
        return kinds.has("figures") && kinds.has("host");
      });
    } finally {
      await control.close();
      await news.close();
    }
  });
});
