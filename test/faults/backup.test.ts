/**
 * Backup and restore as docs/operating.md tells people to, with PostgreSQL's own tools: a dump of the
 * database beside a working master, then the output folder; both put back, and the farm goes on.
 */
import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import {
  type DebianPostgres,
  findDebianPrograms,
  startDebianPostgres,
} from "../support/debian-postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const run = promisify(execFile);
const piw = (name: string, ...args: readonly string[]) =>
  run(process.execPath, [
    new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname,
    "--configuration=/dev/null",
    ...args,
  ]);

const programs = findDebianPrograms();
const title = programs === undefined ? " (skipped: no postgresql package)" : "";

describe.skipIf(programs === undefined)(`a farm that was backed up${title}`, () => {
  let folder: string;
  let server: DebianPostgres;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let sql: Sql;
  let options: { dsn: string; upstream: SampleUpstream };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "ww-backup-"));
    chmodSync(folder, 0o755);
    server = await startDebianPostgres(join(folder, "postgres"), programs ?? "");
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(server);
    await piw("piw-initdb", "--dsn", ownerDsn, "--user", masterRole, "--expire", "90d", "--yes");
    upstream = await startSampleUpstream({
      files: [publication("1.0"), publication("2.0"), slowSdist({ name: "other", version: "1.0" })],
    });
    options = { dsn: masterDsn, upstream };
    farm = new TestFarm(options);
    sql = openConnection(masterDsn);
  }, 90_000);
  afterEach(async () => {
    await farm.end();
    await upstream.close();
    await sql.end();
    await server.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }, 60_000);

  const publication = (version: string) => slowSdist({ name: "slow", version });

  const published = async (connection: Sql) =>
    (
      await connection<{ filename: string; sha256: string }[]>`
        select filename, sha256 from file where removed_at is null order by filename`
    ).map((row) => ({ ...row }));

  /** What no farm may lose, of a database at rest but for its figures. */
  const contents = async (connection: Sql) => ({
    files: await published(connection),
    versions: await rows(connection, "version"),
    builds: await rows(connection, "build"),
    work: await rows(connection, "work"),
    tally: await rows(connection, "tally"),
    visits: await rows(connection, "access_log"),
    wanted: await rows(connection, "wanted"),
    configuration: await rows(connection, "configuration"),
  });
  const rows = async (connection: Sql, table: string): Promise<unknown[]> =>
    (await connection.unsafe(`select to_jsonb(t)::text as row from ${table} t order by 1`)).map(
      (row) => (row as unknown as { row: string }).row,
    );

  it("is restored with all that it knew, piw-audit finds nothing, and it goes on with its slaves", async () => {
    await farm.startMaster();
    await farm.startSlave();
    await farm.untilIdle();
    await access("slow-1.0-py3-none-any.whl");
    await piw(
      "piw-add",
      "--import-queue",
      farm.importAddress,
      "--skip",
      "too old",
      "--yes",
      "slow",
      "1.0",
    );
    await farm.untilIdle();

    // The database first, beside the master; then the folder.
    const before = await contents(sql);
    expect(before.files).toHaveLength(3);
    expect(before.visits).toHaveLength(1);
    const dump = join(folder, "farm.dump");
    await server.program(
      "pg_dump",
      ...["--format=custom", `--file=${dump}`, server.dsnFor("piwheels_owner", "piwheels")],
    );
    cpSync(farm.output, join(folder, "www"), { recursive: true, preserveTimestamps: true });

    // What comes after it is lost with the disk.
    upstream.publish(publication("3.0"));
    await farm.until("3.0 is built", ({ rows }) =>
      rows.some(({ version, state }) => version === "3.0" && state === "built"),
    );
    upstream.publish(slowSdist({ name: "slow", version: "4.0", buildMs: 3_000 }));
    await farm.until("4.0 is being built", ({ leased }) => leased === 1);
    await farm.kill("master");
    rmSync(farm.output, { recursive: true });
    const admin = openConnection(server.superuserDsn("postgres"));
    await sql.end();
    await admin.unsafe("drop database piwheels with (force)");

    cpSync(join(folder, "www"), farm.output, { recursive: true, preserveTimestamps: true });
    await admin.unsafe("create database piwheels owner piwheels_owner");
    await admin.end();
    const owner = server.dsnFor("piwheels_owner", "piwheels");
    await server.program("pg_restore", "--exit-on-error", "--no-owner", `--dbname=${owner}`, dump);
    sql = openConnection(options.dsn);
    expect(await contents(sql)).toEqual(before);
    const { stdout } = await piw("piw-initdb", "--dsn", owner, "--user", "piwheels", "--yes");
    expect(stdout).toContain("up to date");
    await audited();

    await farm.startMaster();
    await farm.until(
      "all is built and published again",
      (now) =>
        now.followed &&
        now.rows.filter(({ state }) => state === "built").length === 4 &&
        now.ready + now.leased + now.waiting + now.unpublished === 0,
    );
    const after = await published(sql);
    expect(after.map(({ filename }) => filename)).toEqual([
      "other-1.0-py3-none-any.whl",
      ...["1.0", "2.0", "3.0", "4.0"].map((version) => `slow-${version}-py3-none-any.whl`),
    ]);
    expect(after).toEqual(expect.arrayContaining(before.files));
    await farm.kill("master", "SIGTERM");
    await audited();
  });

  /** One download of a wheel, as a web server's log has it. */
  async function access(file: string): Promise<void> {
    const log = join(folder, "access.log");
    const when = new Date()
      .toUTCString()
      .replace(/^\w+, (\d+) (\w+) (\d+) ([\d:]+) GMT$/, "$1/$2/$3:$4 +0000");
    writeFileSync(
      log,
      `10.0.0.1 - - [${when}] "GET /simple/slow/${file} HTTP/1.1" 200 500 "-" "pip/23.0"\n`,
    );
    await piw("piw-logger", "--log-queue", farm.logAddress, log);
  }

  async function audited(): Promise<void> {
    const { stdout } = await piw("piw-audit", "--dsn", options.dsn, "--output-path", farm.output);
    expect(stdout).toContain("All is as it should be.");
  }
});
