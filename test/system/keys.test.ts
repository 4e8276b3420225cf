/** Master and slave that know each other by their keys, as on two machines: CURVE over tcp. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FarmReport } from "../../protocol/model/status.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const run = promisify(execFile);
const piw = (program: string, ...args: string[]) =>
  run(process.execPath, [
    new URL(`../../dist/bin/${program}.js`, import.meta.url).pathname,
    ...args,
  ]);

let folder: string;
let database: TestDatabase;
let upstream: SampleUpstream;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ww-keys-"));
  mkdirSync(join(folder, "authorized"));
  for (const name of ["master", "slave", "stranger"])
    await piw("piw", "keygen", join(folder, name));
  copyFileSync(join(folder, "slave.pub"), join(folder, "authorized", "slave.pub"));
  database = await createTestDatabase();
  upstream = await startSampleUpstream({ files: [slowSdist({ name: "slow", version: "1.0" })] });
}, 60_000);
afterEach(async () => {
  await upstream.close();
  await database.end();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const masterKeys = () => [
  "--key",
  join(folder, "master"),
  "--authorized-keys",
  join(folder, "authorized"),
];
/** `piw-slave --check` in the place of that slave. */
const check = (farm: TestFarm, name: string) =>
  piw(
    "piw-slave",
    ...["--check", "--dir", join(folder, "check"), ...farm.slaveAddresses(), ...slaveKeys(name)],
    ...(process.getuid?.() === 0 ? ["--allow-root"] : []),
  );
const slaveKeys = (name: string) => [
  "--key",
  join(folder, name),
  "--master-key",
  join(folder, "master.pub"),
];

describe("keys", () => {
  it("let an authorised slave build and deliver", async () => {
    const farm = new TestFarm({
      dsn: database.dsn,
      upstream,
      master: masterKeys(),
      slave: slaveKeys("slave"),
    });
    try {
      await farm.startMaster();
      await farm.startSlave();
      const report = await farm.until("it is built", ({ rows }) =>
        rows.some((row) => row.state === "built"),
      );
      expect(report.slaves).toBe(1);
      const [slave] = await database.sql<{ identity: string }[]>`select identity from slave`;
      expect(readFileSync(join(folder, "slave.pub"), "utf8")).toContain(slave?.identity);
      const { stdout } = await check(farm, "slave");
      expect(stdout).toMatch(/^ok {5}master \S+ at tcp:\S+, and it lets this slave's key in$/m);
      expect(stdout).toMatch(/^ok {5}index http:.*\n(?:ok {5}index http.*\n)?ok {5}clock$/m);
      // Whoever asks throws out no slave that runs with the same key.
      expect((await farm.report()).slaves).toBe(1);
      expect(farm.logs()).not.toMatch(/replaced/);
    } finally {
      await farm.end();
    }
  }, 240_000);

  it("keep out a slave whose key is not authorised, until it is", async () => {
    const farm = new TestFarm({
      dsn: database.dsn,
      upstream,
      master: masterKeys(),
      slave: slaveKeys("stranger"),
    });
    try {
      await farm.startMaster();
      await farm.startSlave();
      await farm.until("the project is queued or known", ({ followed }) => followed);
      await expect.poll(() => farm.logs(), { timeout: 30_000 }).toMatch(/refused|not authorised/i);
      expect((await farm.report()).slaves).toBe(0);
      await expect(check(farm, "stranger")).rejects.toMatchObject({
        stdout: expect.stringMatching(
          /^fails {2}no master at .*: refused: the server does not know this key; on the master's machine: piw slave-key add NAME '\S{40}'$/m,
        ) as string,
      });
      copyFileSync(join(folder, "stranger.pub"), join(folder, "authorized", "stranger.pub"));
      await farm.until("it is built", ({ rows }) => rows.some((row) => row.state === "built"));
    } finally {
      await farm.end();
    }
  }, 240_000);

  it("are taken from a slave in mid-build: its session ends, what it says later is refused and counted", async () => {
    const slow = await startSampleUpstream({
      files: [slowSdist({ name: "slow", version: "1.0", buildMs: 5_000 })],
    });
    const keys = ["--authorized-keys", join(folder, "authorized")];
    await piw("piw", "slave-key", "add", "board-1", join(folder, "stranger.pub"), ...keys);
    const farm = new TestFarm({
      dsn: database.dsn,
      upstream: slow,
      master: masterKeys(),
      slave: slaveKeys("stranger"),
    });
    const refusals = ({ refused }: FarmReport) =>
      refused.find(({ task, why }) => task === "links/slave" && why === "key not authorised")
        ?.count ?? 0;
    try {
      await farm.startMaster();
      await farm.startSlave();
      expect(refusals(await farm.until("it is being built", ({ leased }) => leased === 1))).toBe(0);
      const { stdout } = await piw("piw", "slave-key", "revoke", "board-1", ...keys);
      expect(stdout).toBe("board-1: revoked\n");
      await farm.until("the session has ended", ({ slaves }) => slaves === 0, 10_000);
      // Nobody waits for a slave that may not come again.
      await farm.until(
        "its build is for others",
        ({ leased, ready }) => leased === 0 && ready === 1,
      );
      // Its session's end is one, each attempt to come back another.
      const report = await farm.until("it is turned away at the door", (now) => refusals(now) > 3);
      expect(farm.logs()).toMatch(/dropped: the key is no longer authorised/);
      expect(report.rows.map(({ state }) => state)).not.toContain("built");
      // Trusted again it comes back by itself, with what it has built.
      rmSync(join(folder, "authorized", "revoked", "board-1.pub"));
      await piw("piw", "slave-key", "add", "board-1", join(folder, "stranger.pub"), ...keys);
      await farm.until("it is built", ({ rows }) => rows.some((row) => row.state === "built"));
      const [builds] = await database.sql<{ count: number }[]>`select count(*)::int from build`;
      expect(builds?.count).toBe(1);
    } finally {
      await farm.end();
      await slow.close();
    }
  }, 240_000);

  it("are demanded where the address is not of this machine", async () => {
    const root = process.getuid?.() === 0 ? ["--allow-root"] : [];
    const slave = piw(
      "piw-slave",
      ...["--slave-queue", "tcp://192.0.2.1:5555", "--file-queue", "tcp://192.0.2.1:5556"],
      ...["--dir", join(folder, "spool"), ...root],
    );
    await expect(slave).rejects.toThrow(/needs keys: make one with piw keygen/);
    const master = piw(
      "piw-master",
      ...[
        "--dsn",
        database.dsn,
        "--output-path",
        join(folder, "www"),
        "--slave-queue",
        "tcp://*:0",
      ],
      ...["--file-queue", "tcp://127.0.0.1:0", "--status-queue", `ipc://${join(folder, "s")}`],
      ...["--control-queue", `ipc://${join(folder, "c")}`, ...root],
      ...["--import-queue", `ipc://${join(folder, "i")}`],
      ...["--log-queue", `ipc://${join(folder, "l")}`],
    );
    await expect(master).rejects.toThrow(/needs keys: make one with piw keygen/);
  });
});
