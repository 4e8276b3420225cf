/** A farm that is upgraded: master and slave of different versions as real programs, and what becomes of a build. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const root = new URL("../../", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
};
const OLDER = "0.0.9";

let folder = "";
let database: TestDatabase;
let upstream: SampleUpstream;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ww-upgrade-"));
  database = await createTestDatabase();
  upstream = await startSampleUpstream({
    files: [slowSdist({ name: "slow", version: "1.0", buildMs: 3_000 })],
  });
}, 60_000);
afterEach(async () => {
  await upstream.close();
  await database.end();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The programs as an installation of that version has them. */
function install(as: string): string {
  const place = join(folder, as);
  cpSync(join(root, "dist"), join(place, "dist"), { recursive: true });
  writeFileSync(
    join(place, "package.json"),
    JSON.stringify({ name: "wheelwright", version: as, type: "module" }),
  );
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  return join(place, "dist", "bin");
}

it("a slave that is refused for its version keeps what it has finished, and delivers it when it is upgraded", async () => {
  const older = install(OLDER);
  const isOld = { master: true, slave: true };
  const farm = new TestFarm({
    dsn: database.dsn,
    upstream,
    programs: (part) => (isOld[part.startsWith("slave") ? "slave" : "master"] ? older : undefined),
  });
  try {
    await farm.startMaster();
    await farm.startSlave();
    await farm.until("it is being built", ({ leased }) => leased === 1);
    // The master is upgraded while the slave builds on.
    await farm.kill("master", "SIGTERM");
    isOld.master = false;
    await farm.startMaster();
    await farm.untilEnded(["slave-1"], 90_000);
    expect(farm.exitCode("slave-1")).toBe(1);
    const both = `this slave is version ${OLDER}, the master is ${version}: install the same version on both`;
    const logs = farm.logs().split("--- slave-1");
    expect(logs[0]).toContain(both);
    expect(logs[1]).toContain(both);
    expect(await builds()).toEqual([{ isSettled: false }]);

    isOld.slave = false;
    await farm.startSlave();
    await farm.until(
      "it is built, and nothing else is being built",
      ({ rows, leased }) => leased === 0 && rows.some(({ state }) => state === "built"),
    );
    // The finished build was delivered: it was built once.
    expect(await builds()).toEqual([{ isSettled: true }]);
  } finally {
    await farm.end();
  }
}, 300_000);

const builds = () =>
  database.sql<{ isSettled: boolean }[]>`select settled_at is not null as "isSettled" from build`;
