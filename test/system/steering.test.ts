/** What a person has slaves do, with the real programs: in the middle of builds that would take ten minutes. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;

beforeEach(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: ["1.0", "2.0"].map((version) => slowSdist({ name: "slow", version, buildMs: 600_000 })),
  });
  farm = new TestFarm({ dsn: database.dsn, upstream });
}, 60_000);
afterEach(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

/** None from a master that does not answer yet. */
const rows = () =>
  farm.control("SLAVES", {}).then(
    ({ slaves }) => slaves,
    () => [],
  );
/** When the only slave builds such a version (any where none is given). */
const building = (fits: (version: string) => boolean = () => true) =>
  until(
    "the slave to build",
    async () => {
      const [row] = await rows();
      const { state, build } = row ?? {};
      return state === "building" && build && fits(build.version) ? build : undefined;
    },
    60_000,
  );
const steer = async (action: "kill" | "sleep" | "wake" | "skip", label = "slave-1") =>
  (await farm.control("STEER", { slaves: { label }, action, by: "test" })).slaves;

it("skip, sleep, kill and wake reach a slave in the middle of a build, and sleep outlives both programs", async () => {
  await farm.startMaster();
  await farm.startSlave();
  const first = await building();

  const skipped = await steer("skip");
  expect(skipped).toMatchObject([{ isDone: true, what: `drops slow ${first.version}` }]);
  const second = await building((version) => version !== first.version);
  expect(farm.logs()).toContain("build dropped");
  const [dropped] = await database.sql`
    select cause, released_at is not null as released, settled_at from build
    where token = ${first.token}`;
  expect(dropped).toEqual({ cause: "killed", released: true, settled_at: null });
  expect(await database.sql`select 1 from retry`).toHaveLength(0);

  expect(await steer("sleep")).toMatchObject([{ what: "sleeps after the build in hand" }]);
  expect(await steer("sleep")).toMatchObject([{ isDone: false, what: "is asleep already" }]);
  expect(await rows()).toMatchObject([
    { state: "building", asleep: { by: "person" }, build: { token: second.token } },
  ]);
  expect((await farm.report()).troubles.join()).toContain("slave-1 put to sleep by a person");
  await until("the slave to hear of it", () =>
    farm.logs().includes('"asleep"') ? true : undefined,
  );

  expect(await steer("kill")).toMatchObject([
    { isDone: true, what: `killed, and with it slow ${second.version}` },
  ]);
  await farm.untilEnded(["slave-1"]);
  // The unit in deploy/ leaves it be at that.
  expect(farm.exitCode("slave-1")).toBe(3);
  expect(farm.logs()).toContain("killed by a person");
  await farm.until("its build is for others", ({ leased, ready }) => leased === 0 && ready === 2);
  expect(await steer("kill")).toMatchObject([{ isDone: false, what: "is not connected" }]);
  expect(await steer("skip", "nobody")).toEqual([]);

  await farm.kill("master", "SIGTERM");
  await farm.startMaster();
  await farm.startSlave();
  await farm.until("the slave is back", ({ slaves }) => slaves === 1);
  await until("it sleeps", async () => ((await rows())[0]?.state === "asleep" ? true : undefined));
  expect(await farm.report()).toMatchObject({ leased: 0, ready: 2 });

  expect(await steer("wake")).toMatchObject([{ isDone: true, what: "is awake" }]);
  await building();
  expect(await rows()).toMatchObject([{ asleep: null }]);
}, 180_000);

it("a kill that the slave could not hear is said to it again when it is back", async () => {
  await farm.startMaster();
  await farm.startSlave();
  await building();
  farm.signal("slave-1", "SIGSTOP");
  expect(await steer("kill")).toMatchObject([{ isDone: true }]);
  // Told, and not heard: the master gives the connection up, and with it what lay in it.
  await farm.until("the slave counts as gone", ({ slaves }) => slaves === 0);
  await farm.until("its build is for others", ({ leased }) => leased === 0);
  farm.signal("slave-1", "SIGCONT");
  await farm.untilEnded(["slave-1"]);
  expect(farm.logs()).toContain("killed by a person");
}, 180_000);
