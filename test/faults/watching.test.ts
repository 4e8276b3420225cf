/** A watcher of a real master: what it knows is what the database and the process say. */
import { totalmem } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MasterWatcher, watchMaster } from "../../protocol/watching/master-watcher.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { eachNode, silentLogger } from "../../supervisor/index.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let master: LocalMaster;
let watcher: MasterWatcher;
/** States that each slave was seen in. */
const seen = new Map<string, Set<string>>();

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: [
      ...["1.0", "2.0", "3.0"].map((version) => slowSdist({ name: "slow", version, buildMs: 700 })),
      slowSdist({
        name: "bad",
        version: "1.0",
        before: "raise RuntimeError('it cannot be built')",
      }),
    ],
  });
  master = await LocalMaster.start({
    dsn: database.dsn,
    upstream,
    slaves: 0,
    times: { statisticsMs: 200 },
  });
  watcher = watchMaster({
    controlAddress: `ipc://${master.folder}/control`,
    statusAddress: `ipc://${master.folder}/status`,
    log: silentLogger,
    paceMs: 1,
    onChange: (picture) => {
      for (const { label, state } of picture.slaves())
        seen.set(label, (seen.get(label) ?? new Set()).add(state));
    },
  });
  await master.until("it is caught up", () => watcher.picture.connection.isCaughtUp);
  await master.startSlave(1);
  await master.startSlave(2);
  await master.untilIdle(4);
}, 180_000);
afterAll(async () => {
  await watcher.close();
  await master.end();
  await upstream.close();
  await database.end();
}, 60_000);

const picture = () => watcher.picture;
async function one<T>(rows: PromiseLike<readonly T[]>): Promise<T> {
  const [row] = await rows;
  if (row === undefined) throw new Error("no row");
  return row;
}

describe("a watcher", { timeout: 90_000 }, () => {
  it("hears what each slave does, and never has to ask for all of them again", async () => {
    for (const label of ["slave-1", "slave-2"]) {
      await master.until(`${label} is idle`, () =>
        picture()
          .slaves()
          .some((slave) => slave.label === label && slave.state === "idle"),
      );
      expect(seen.get(label)).toContain("building");
    }
    const [first] = picture().slaves();
    expect(first).toMatchObject({ build: null, delivering: 0, asleep: null });
    expect(first?.facts?.targets).toEqual(picture().figures.targets.map(({ name }) => name));
    expect(first?.connectedAt).toBeGreaterThan(0);
    // The farm has all of its builds from what was said.
    expect(
      picture()
        .events()
        .filter(({ event }) => event.kind === "gap"),
    ).toEqual([]);
  });

  it("shows the figures that the database counts, of the farm and of each target", async () => {
    const { sql } = database;
    const counted = await one(sql<Record<string, number>[]>`
      select
        (select count(*)::int from work where state = 'ready') as ready,
        (select count(*)::int from work where state = 'leased') as leased,
        (select count(*)::int from work where state = 'waiting') as waiting,
        (select count(*)::int from work where state = 'blocked') as blocked,
        (select count(*)::int from build where settled_at is not null) as builds,
        (select count(*)::int from build where stands and cause <> 'built') as failed,
        (select count(*)::int from file where placed_at is not null) as files,
        (select sum(size_bytes)::float8 from file where placed_at is not null) as "sizeBytes",
        (select count(distinct v.package_id)::int from file f
          join version v on v.id = f.version_id) as packages,
        (select count(distinct version_id)::int from file) as "versionsBuilt",
        (select sum(duration_ms)::float8 from build) as "buildTimeMs"`);
    expect(counted).toMatchObject({
      builds: 4,
      failed: 1,
      files: 3,
      packages: 1,
      versionsBuilt: 3,
    });
    await master.until("the figures are told", () => picture().figures.farm?.files === 3);
    const asOf = picture().figures.asOf ?? 0;
    await master.until("newer ones are told", () => (picture().figures.asOf ?? 0) > asOf);
    const { farm, targets, master: host, resting } = picture().figures;
    expect(farm).toMatchObject({ slaves: 2, versions: 4, buildsLastHour: 4, failuresLastHour: 1 });
    for (const [name, value] of Object.entries(counted))
      expect([name, farm?.[name as "ready"]]).toEqual([name, expect.closeTo(value, 3)]);
    // There is one.
    expect(targets).toHaveLength(1);
    for (const [name, value] of Object.entries(counted))
      expect([name, targets[0]?.figures[name as "ready"]]).toEqual([
        name,
        expect.closeTo(value, 3),
      ]);
    expect(resting).toBeNull();
    expect(host?.memorySizeBytes).toBeGreaterThan(totalmem() / 2);
  });

  it("knows the builds that ended, whether it heard of them or asked", async () => {
    const rows = await database.sql<{ token: number; cause: string; at: Date }[]>`
      select token, cause, settled_at as at from build order by settled_at desc`;
    const heard = picture().ended();
    expect(heard.map(({ token, cause, endedAt }) => ({ token, cause, endedAt }))).toEqual(
      rows.map(({ token, cause, at }) => ({ token: Number(token), cause, endedAt: at.getTime() })),
    );
    const { builds } = await watcher.ask("ENDED", { limit: 10 }, 10_000);
    expect(heard).toEqual(builds);
  });

  it("has the last hour as the history has it, in whatever order it came", async () => {
    const farm = { kind: "farm", id: 0 } as const;
    let points: unknown[] = [];
    await master.until("the two agree", async () => {
      const question = { kind: "farm", subject: 0, stepS: 10, after: null } as const;
      const answer = await watcher.ask("HISTORY", question, 10_000);
      points = answer.points.map(({ at, average }) => ({ at, figures: average }));
      const past = picture().findPast(farm)?.slice(0, -1) ?? [];
      // The newest step is still being written.
      return (
        past.length > 0 &&
        JSON.stringify(points.slice(0, past.length)) ===
          JSON.stringify(past.map(({ at, figures }) => ({ at, figures })))
      );
    });
    expect(points.length).toBeGreaterThan(0);
  });

  it("sees the tree of the process, its sessions summed up", async () => {
    watcher.lookAtTree(100);
    await master.until("the tree is there", () => picture().tree !== null);
    await master.until("it is of now", () =>
      (picture().tree?.tasks ?? []).some(({ below }) => below?.count === 2),
    );
    const known = new Map(picture().tree?.tasks.map((task) => [task.path, task]));
    const nodes = [...eachNode(master.system.tree())];
    const fixed = nodes.filter(({ path }) => !/\/(sessions|transfers)\//.test(path));
    expect([...known.keys()].toSorted()).toEqual(fixed.map(({ path }) => path).toSorted());
    expect(known.get("/services/farm/sessions")?.below?.count).toBe(2);
    for (const { path, restarts } of fixed)
      expect([path, known.get(path)?.restarts]).toEqual([path, restarts]);
    watcher.lookAtTree(null);
  });

  it("hears of a slave that sleeps, wakes and leaves", async () => {
    const idOf = (label: string) =>
      picture()
        .slaves()
        .find((slave) => slave.label === label)?.id ?? 0;
    const id = idOf("slave-2");
    const by = "test";
    const steer = (action: "sleep" | "wake") =>
      watcher.ask("STEER", { slaves: { id }, action, by }, 10_000);
    expect(await steer("sleep")).toMatchObject({ isDone: true });
    await master.until("it sleeps", () => picture().findSlave(id)?.state === "asleep");
    expect(picture().findSlave(id)?.asleep).toMatchObject({ by: "person" });
    expect(await steer("wake")).toMatchObject({ isDone: true });
    await master.until("it is awake", () => picture().findSlave(id)?.state === "idle");
    await master.slaves[1]?.stop();
    await master.until("it is gone", () => picture().findSlave(id)?.state === "gone");
    expect(picture().findSlave(id)?.connectedAt).toBeNull();
  });
});
