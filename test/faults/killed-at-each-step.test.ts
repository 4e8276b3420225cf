/**
 * kill -9 of either side, and a cut of the network, at every step of the protocol (`steps/steps.ts`). After each, the
 * build counts once, its wheel is public once and whole, and nothing of it is left anywhere. A farm for each victim
 * goes through all steps, with a package for each.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { DatabaseGate } from "../support/database-gate.ts";
import { LinkProxy } from "../support/link-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";
import { PAYLOAD_BYTES, type Step, steps, type Victim } from "./steps/steps.ts";

const PATIENCE_MS = 60_000;

/** WHEELWRIGHT_FAULTS=all has the network cut at each step as well; the ordinary run cuts it by seed (`link-faults.test.ts`). */
const isFull = process.env["WHEELWRIGHT_FAULTS"] === "all";
const victims: readonly { victim: Victim; deed: string }[] = [
  { victim: "master", deed: "the master killed with -9" },
  { victim: "slave", deed: "the slave killed with -9" },
  ...(isFull ? [{ victim: "network", deed: "both links cut" } as const] : []),
];

class Stage {
  readonly database: TestDatabase;
  readonly upstream: SampleUpstream;
  readonly farm: TestFarm;
  readonly gate: DatabaseGate;
  readonly links: { readonly slave: LinkProxy; readonly file: LinkProxy };
  /** Packages that were published so far. */
  published = 0;
  /** Lets go of a request that is held. */
  answerUpstream: () => void = () => undefined;

  private constructor(parts: Pick<Stage, "database" | "upstream" | "farm" | "gate" | "links">) {
    this.database = parts.database;
    this.upstream = parts.upstream;
    this.farm = parts.farm;
    this.gate = parts.gate;
    this.links = parts.links;
  }

  static async start(): Promise<Stage> {
    const database = await createTestDatabase();
    const upstream = await startSampleUpstream({ files: [] });
    const farm = new TestFarm({ dsn: database.dsn, upstream, shape: "whole" });
    const gate = await DatabaseGate.install(database.ownerDsn);
    await farm.startMaster();
    const { slave, file } = farm.linkPorts;
    const links = { slave: await LinkProxy.start(slave), file: await LinkProxy.start(file) };
    const stage = new Stage({ database, upstream, farm, gate, links });
    await stage.startSlave();
    await farm.until("the slave is here", ({ slaves, followed }) => followed && slaves === 1);
    return stage;
  }

  async startSlave(): Promise<void> {
    const { slave, file } = this.links;
    await this.farm.startSlave(1, { slave: slave.port, file: file.port });
  }

  cutLinks(): void {
    for (const link of Object.values(this.links)) link.cut();
  }

  async end(): Promise<void> {
    await this.gate.end();
    await this.farm.end();
    for (const link of Object.values(this.links)) await link.close();
    await this.upstream.close();
    await this.database.end();
  }
}

/** Prepares to stop at a step; what it gives settles when the farm is there. */
async function arm(stage: Stage, { place }: Step): Promise<{ readonly reached: Promise<void> }> {
  const { gate, links, upstream } = stage;
  switch (place.on) {
    case "slave link":
      return { reached: links.slave.stopAt(place.stop) };
    case "file link":
      return { reached: links.file.stopAt(place.stop) };
    case "database":
      await gate.shut(place.gate);
      return { reached: gate.reached() };
    case "between settling and placing":
      await gate.shut("settled");
      return { reached: gate.reached().then(() => gate.letCommitAndHideFiles()) };
    case "upstream":
      return {
        reached: new Promise((resolve) => {
          upstream.onRequest = async ({ path }) => {
            if (!path.endsWith(".tar.gz")) return undefined;
            upstream.onRequest = undefined;
            resolve();
            await new Promise<void>((answer) => {
              stage.answerUpstream = answer;
            });
            return undefined;
          };
        }),
      };
  }
}

/** Does to the victim what is to be done, lets go of all that was held, and has it come back. */
async function strike(stage: Stage, victim: Victim): Promise<void> {
  const { farm, gate, links } = stage;
  if (victim === "master") await farm.kill("master");
  if (victim === "slave") await farm.kill("slave-1");
  stage.cutLinks();
  for (const link of Object.values(links)) link.resume();
  await gate.open();
  stage.answerUpstream();
  if (victim === "master") await farm.startMaster();
  if (victim === "slave") await stage.startSlave();
}

interface Standing {
  readonly versions: number;
  readonly left: number;
}

/** Everything that upstream has is built and public, nothing is left to do, and the slave's outbox is empty. */
async function untilSettled(stage: Stage): Promise<void> {
  const { database, farm, published } = stage;
  const deadline = performance.now() + PATIENCE_MS;
  let last: Standing | undefined;
  while (performance.now() < deadline) {
    [last] = await database.sql<Standing[]>`
      select (select count(*)::int from version) as versions,
        (select count(*)::int from package where read_serial < seen_serial)
          + (select count(*)::int from lease) + (select count(*)::int from work)
          + (select count(*)::int from file where placed_at is null)
          + (select count(*)::int from build where log_sha256 is not null and log_placed_at is null)
          + (select count(*)::int from page_request where kind <> 'search') as left`;
    const isDone = last?.left === 0 && last.versions === published;
    if (isDone && list(farm, "slave-1", "outbox").length === 0) return;
    await delay(50);
  }
  throw new Error(`not settled: ${JSON.stringify(last)}\n${farm.logs()}`);
}

const list = (farm: TestFarm, ...path: string[]): string[] => {
  const folder = join(farm.folder, ...path);
  return existsSync(folder) ? readdirSync(folder) : [];
};

interface BuildRow {
  readonly outcome: string | null;
  readonly cause: string | null;
  readonly stands: boolean;
}

/** One build counts, and its one wheel is public with the bytes that the database and the page say. */
async function expectOnce(stage: Stage, project: string, attempts: number): Promise<void> {
  const { sql } = stage.database;
  const builds = await sql<BuildRow[]>`
    select b.outcome, b.cause, b.stands from build b join version v on v.id = b.version_id
    join package p on p.id = v.package_id where p.name = ${project} order by b.token`;
  expect(builds.filter(({ stands }) => stands)).toEqual([
    { outcome: "published", cause: "built", stands: true },
  ]);
  expect(builds.filter(({ outcome }) => outcome !== null)).toHaveLength(1);
  expect(builds).toHaveLength(attempts);
  const wheel = `${project}-1.0-py3-none-any.whl`;
  const files = await sql<{ filename: string; sha256: string }[]>`
    select filename, sha256 from file where filename like ${`${project}-%`}`;
  expect(files).toMatchObject([{ filename: wheel }]);
  const folder = join(stage.farm.output, "simple", project);
  expect(readdirSync(folder).sort()).toEqual([
    "index.html",
    "index.v1+json",
    wheel,
    `${wheel}.metadata`,
  ]);
  const bytes = readFileSync(join(folder, wheel));
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(files[0]?.sha256);
  expect(readFileSync(join(folder, "index.html"), "utf8")).toContain(files[0]?.sha256);
}

describe.concurrent.each(victims)("$deed", ({ victim }) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  }, 120_000);
  afterAll(() => stage.end(), 60_000);

  // One after another: each step is on the same farm.
  describe("when", { concurrent: false }, () => {
    it.each(steps)("$name, the build counts once and its wheel is whole", async (step) => {
      const { farm, links, upstream } = stage;
      const { reached } = await arm(stage, step);
      stage.published += 1;
      const project = `step${stage.published}`;
      const { buildMs = 0 } = step;
      const payloadBytes = PAYLOAD_BYTES;
      upstream.publish(slowSdist({ name: project, version: "1.0", buildMs, payloadBytes }));
      if (step.isOfNewSession) links.slave.cut();
      await Promise.race([
        reached,
        delay(PATIENCE_MS, undefined, { ref: false }).then(() => {
          throw new Error(`the farm did not come there\n${farm.logs()}`);
        }),
      ]);
      await strike(stage, victim);
      await untilSettled(stage);
      await expectOnce(stage, project, step.leases?.[victim] ?? 1);
    });
  });
});
