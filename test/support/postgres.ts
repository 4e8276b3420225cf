/**
 * A database for a test file: its own copy of the schema on one real PostgreSQL that all files of a
 * test run share. The first file that asks starts the server; a guard ends it and removes its folder
 * when the run's main process is gone, in whatever way.
 *
 *     const database = await createTestDatabase();      // in beforeAll
 *     afterAll(() => database.end());
 */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { openConnection, type Sql } from "../../db/connection.ts";
import { startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { lockFolder } from "../../db/folder-lock.ts";
import { upgradeDatabase } from "../../db/migrate.ts";

export interface TestDatabase {
  /** As the master connects: a role that is no superuser and owns nothing. */
  readonly dsn: string;
  /** The role that owns the database, for upgrades. */
  readonly ownerDsn: string;
  /** A superuser, e.g. to terminate backends. */
  readonly adminDsn: string;
  /** A connection of the master's role. */
  readonly sql: Sql;
  /** Ends `sql` and drops the database with whoever is still in it. */
  end(): Promise<void>;
}

/** What the files of a run need to know of their server. The placeholder for the database is `{}`. */
interface Server {
  readonly master: string;
  readonly owner: string;
  readonly admin: string;
}

const START_PATIENCE_MS = 60_000;

/** An empty database with the schema; without it where `schema` is false. */
export async function createTestDatabase({ schema = true } = {}): Promise<TestDatabase> {
  const server = await sharedServer();
  const template = schema ? await templateOf(server) : "template0";
  const name = `test_${randomBytes(6).toString("hex")}`;
  await asAdmin(server, (sql) =>
    sql.unsafe(`create database ${name} template ${template} owner piwheels_owner`),
  );
  const dsn = server.master.replace("{}", name);
  const sql = openConnection(dsn, { applicationName: "test" });
  return {
    dsn,
    ownerDsn: server.owner.replace("{}", name),
    adminDsn: server.admin.replace("{}", name),
    sql,
    end: async () => {
      await sql.end({ timeoutMs: 1_000 });
      await asAdmin(server, (admin) =>
        admin.unsafe(`drop database if exists ${name} with (force)`),
      );
    },
  };
}

/** The process that outlives every test file of the run. */
const mainPid = process.env["VITEST"] !== undefined && isMainThread ? process.ppid : process.pid;
const folder = join(tmpdir(), `ww-test-${process.getuid?.() ?? 0}-${mainPid}`);
const serverFile = join(folder, "server.json");

async function sharedServer(): Promise<Server> {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  return withLock("server.lock", async () => {
    const known = existsSync(serverFile)
      ? (JSON.parse(readFileSync(serverFile, "utf8")) as Server)
      : undefined;
    // A main process of an earlier run may have had the same number.
    if (known !== undefined && (await answers(known))) return known;
    const postgres = await startEmbeddedPostgres({
      folder: join(folder, "pg"),
      durable: false,
      allowRoot: true,
      log: () => undefined,
      guard: false,
    });
    startGuard(postgres.pid);
    await ensureFarmDatabase(postgres);
    const server: Server = {
      master: postgres.dsnFor("piwheels", "NAME").replace("/NAME?", "/{}?"),
      owner: postgres.dsnFor("piwheels_owner", "NAME").replace("/NAME?", "/{}?"),
      admin: postgres.superuserDsn("NAME").replace("/NAME?", "/{}?"),
    };
    writeFileSync(`${serverFile}.new`, JSON.stringify(server), { mode: 0o600 });
    renameSync(`${serverFile}.new`, serverFile);
    return server;
  });
}

/** A database with the present schema, made once for each state of the schema's files. */
async function templateOf(server: Server): Promise<string> {
  const home = new URL("../../db/schema/", import.meta.url);
  const hash = createHash("sha256");
  for (const name of readdirSync(home).sort())
    hash.update(name).update(readFileSync(new URL(name, home)));
  const template = `template_${hash.digest("hex").slice(0, 16)}`;
  const exists = () =>
    asAdmin(server, async (sql) => {
      const [row] = await sql`select from pg_database where datname = ${template}`;
      return row !== undefined;
    });
  if (await exists()) return template;
  return withLock("template.lock", async () => {
    if (await exists()) return template;
    const half = `${template}_half`;
    await asAdmin(server, async (sql) => {
      await sql.unsafe(`drop database if exists ${half} with (force)`);
      await sql.unsafe(`create database ${half} template template0 owner piwheels_owner`);
    });
    await upgradeDatabase(server.owner.replace("{}", half), {
      masterRole: "piwheels",
      log: () => undefined,
    });
    await asAdmin(server, (sql) => sql.unsafe(`alter database ${half} rename to ${template}`));
    return template;
  });
}

async function asAdmin<T>(server: Server, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openConnection(server.admin.replace("{}", "postgres"));
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

async function answers(server: Server): Promise<boolean> {
  try {
    await asAdmin(server, (sql) => sql`select 1`);
    return true;
  } catch {
    return false;
  }
}

async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const deadlineAt = performance.now() + START_PATIENCE_MS;
  for (;;) {
    let unlock: (() => void) | undefined;
    try {
      unlock = lockFolder(join(folder, name), name);
    } catch (error) {
      if (performance.now() > deadlineAt) throw error;
    }
    if (unlock === undefined) {
      await delay(20);
      continue;
    }
    try {
      return await work();
    } finally {
      unlock();
    }
  }
}

/** Outlives the test file, not the run: polls for the main process, ends the server, removes the folder. */
function startGuard(serverPid: number): void {
  const script =
    'while kill -0 "$1" 2>/dev/null; do sleep 0.2; done; kill -INT "$2" 2>/dev/null; ' +
    'n=0; while kill -0 "$2" 2>/dev/null && [ $n -lt 50 ]; do n=$((n+1)); sleep 0.1; done; ' +
    'kill -9 "$2" 2>/dev/null; rm -rf "$3"';
  spawn("/bin/sh", ["-c", script, "sh", String(mainPid), String(serverPid), folder], {
    cwd: "/",
    stdio: "ignore",
    detached: true,
  }).unref();
}
