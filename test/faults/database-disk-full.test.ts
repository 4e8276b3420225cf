/**
 * The disk of the database runs full under a working farm, for real: its folder is a small file system of
 * its own, and a file takes the rest of it. Needs the right to mount.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { canMount, SmallDisk } from "../support/small-disk.ts";
import { TestFarm } from "../support/test-farm.ts";

const isAllowed = canMount();
const title = isAllowed ? "" : " (skipped: this user may not mount)";

describe.skipIf(!isAllowed)(`the disk of the database is full${title}`, () => {
  let folder: string;
  let server: EmbeddedPostgres;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let sql: Sql;
  let disk: SmallDisk;

  const startServer = () =>
    startEmbeddedPostgres({ folder: disk.path, log: () => undefined, allowRoot: true });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "ww-full-"));
    chmodSync(folder, 0o755);
    disk = new SmallDisk(join(folder, "postgres"), "250m");
    server = await startServer();
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(server);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
    sql = openConnection(masterDsn);
    upstream = await startSampleUpstream({ files: [] });
    farm = new TestFarm({ dsn: masterDsn, upstream, shape: "whole" });
    await farm.startMaster();
    await farm.until("upstream is followed", (report) => report.followed);
  }, 90_000);
  afterEach(async () => {
    await farm.end();
    await upstream.close();
    await sql.end();
    await server.stop();
    disk.end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }, 60_000);

  const publish = (version: string, buildMs = 100) =>
    upstream.publish(slowSdist({ name: "slow", version, buildMs }));

  async function until(what: string, fits: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!(await fits())) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}\n${farm.logs()}`);
      await delay(50);
    }
  }
  const degraded = async () =>
    (await farm.tasks()).filter((task) => task.degraded?.reason.startsWith("database:"));

  it("tasks say so, nothing of what was built or came meanwhile is lost, and all goes on when there is room", async () => {
    await farm.startSlave();
    publish("1.0", 3_000);
    await farm.until("a build runs", ({ leased }) => leased === 1);
    const pid = farm.pidOf("master");
    disk.fill();
    // More than fits into what PostgreSQL has of the disk already.
    const versions = Array.from({ length: 200 }, (_, at) => `2.${at}`);
    for (const version of versions)
      upstream.publish({ ...slowSdist({ name: "many", version }), project: "many", version });
    await until("a task says that the disk is full", async () =>
      (await degraded()).some((task) =>
        /No space left on device/.test(task.degraded?.reason ?? ""),
      ),
    );

    disk.makeRoom();
    await farm.until(
      "what was built and what came meanwhile is known",
      ({ rows }) =>
        rows.some(({ version, state }) => version === "1.0" && state === "built") &&
        rows.filter(({ package: name }) => name === "many").length === versions.length,
    );
    await until("no task is degraded", async () => (await degraded()).length === 0);
    expect(farm.pidOf("master")).toBe(pid);
    expect(farm.isRunning("master")).toBe(true);
    const [slow] = await sql<{ count: number }[]>`
      select count(*)::int as count from build b join version v on v.id = b.version_id
      where v.version = '1.0' and b.stands`;
    expect(slow?.count).toBe(1);
  });
});
