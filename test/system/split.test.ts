/**
 * The master as three processes (`--tasks`), over ipc and over tcp with CURVE: orders reach every part, and a
 * part that dies costs nothing. That the rest of the system tests holds too is another run of them, with
 * `WHEELWRIGHT_TEST_MASTER=ipc` or `tcp`.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const run = promisify(execFile);

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;

describe.each(["ipc", "tcp"] as const)("a master of three processes over %s", (shape) => {
  beforeEach(async () => {
    database = await createTestDatabase();
    upstream = await startSampleUpstream({
      files: ["one", "two", "three", "four"].map((name) => slowSdist({ name, version: "1.0" })),
    });
    farm = new TestFarm({ dsn: database.dsn, upstream, shape });
    await farm.startMaster();
    await farm.startSlave();
    await farm.until("the slave is here", ({ slaves }) => slaves === 1);
  }, 120_000);

  afterEach(async () => {
    await farm.end();
    await upstream.close();
    await database.end();
  }, 60_000);

  const piw = async (...words: string[]) => {
    const [subcommand = "", ...rest] = words;
    const program = new URL("../../dist/bin/piw.js", import.meta.url).pathname;
    const queue = ["--control-queue", farm.controlAddress];
    return (await run(process.execPath, [program, subcommand, ...queue, ...rest])).stdout;
  };
  const publishedOnce = async (...more: readonly string[]) => {
    const rows = await database.sql<{ filename: string; copies: number }[]>`
      select f.filename, count(*)::int as copies from file f group by f.filename`;
    const names = rows.map(({ filename }) => filename.split("-")[0]);
    expect(names.sort()).toEqual(["one", "two", "three", "four", ...more].sort());
    expect(rows.every(({ copies }) => copies === 1)).toBe(true);
  };

  it("obeys orders in whichever process a task runs, and ends as one", async () => {
    expect(await piw("pause", "s*")).toMatch(/paused: .*(scribe|secretary|slave-driver)/);
    const paused = await piw("tasks");
    expect(paused).toMatch(/scribe +web-front +paused/);
    expect(paused).toMatch(/slave-driver +main-builds-driver-fs +paused/);
    expect(paused).toMatch(/seraph +db +running/);
    expect(await piw("resume", "*")).toContain("scribe");
    expect(await piw("tasks")).not.toContain("paused");

    expect(await piw("quit", "scribe")).toBe("stopped: scribe\n");
    expect(await piw("tasks")).toMatch(/scribe +web-front +stopped/);
    expect(await piw("resume", "scribe")).toBe("running: scribe\n");
    await farm.untilIdle();
    await publishedOnce();

    // In each process, and back.
    const told = JSON.parse(await piw("log-level", "--json")) as { parts: { level: string }[] };
    const [none] = told.parts;
    expect(await piw("log-level", "error")).toBe("the master logs at error\n");
    expect(await piw("log-level", "trace", "seraph")).toBe("logs at trace: seraph\n");
    const levels = await piw("log-level");
    expect(levels.match(/ error/g)).toHaveLength(3);
    expect(levels).toMatch(/^db +error +seraph: trace$/m);
    expect(await piw("log-level", "reset")).toBe("the master logs as configured\n");
    expect(await piw("log-level")).not.toContain("error");
    expect(none?.level).toBe("debug");
    await expect(piw("log-level", "trace", "serahp")).rejects.toMatchObject({
      stderr: "piw log-level: no task of the master is called serahp\n",
    });

    expect(await piw("quit", "--yes")).toBe("the master stops\n");
    await farm.untilEnded(farm.masterProcesses);
    expect(farm.masterProcesses.map((part) => farm.exitCode(part))).toEqual([0, 0, 0]);
  });

  it("goes on where it stopped when a process of it was killed and started again", async () => {
    const killed = { "master-db": "oak", "master-web": "elm", master: "ash" } as const;
    for (const part of ["master-db", "master-web", "master"] as const) {
      upstream.publish(slowSdist({ name: killed[part], version: "1.0", buildMs: 3_000 }));
      await farm.until("it is being built", ({ leased, rows }) => {
        const row = rows.find((each) => each.package === killed[part]);
        return leased > 0 && (row === undefined || row.state !== "built");
      });
      await farm.killProcess(part);
      await farm.startMasterProcess(part);
      await farm.until(
        "it is whole again",
        ({ slaves, troubles }) => slaves === 1 && troubles.length === 0,
      );
    }
    await farm.until(
      "all is built",
      ({ rows }) => rows.filter(({ state }) => state === "built").length === 7,
    );
    await farm.untilIdle(120_000);
    await publishedOnce("oak", "elm", "ash");
    const folder = await farm.pipInstall("one", "two", "three", "four", "oak", "elm", "ash");
    expect(folder).toBeTruthy();
  }, 240_000);
});
