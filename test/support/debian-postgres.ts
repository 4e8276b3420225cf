/**
 * A PostgreSQL of Debian's packages with its own tools (pg_dump, pg_restore), in a folder of the test, for
 * what the embedded server has no programs for. No cluster of the machine is touched.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { openConnection } from "../../db/connection.ts";
import { findServerAccount } from "../../db/server-account.ts";

const run = promisify(execFile);
const HOME = "/usr/lib/postgresql";
const OLDEST = 14;

/** The folder of the newest version's programs; undefined where the package `postgresql` is not installed. */
export function findDebianPrograms(): string | undefined {
  if (!existsSync(HOME)) return undefined;
  return readdirSync(HOME)
    .filter((name) => Number(name) >= OLDEST)
    .sort((a, b) => Number(b) - Number(a))
    .map((name) => join(HOME, name, "bin"))
    .find((bin) =>
      ["initdb", "postgres", "pg_dump", "pg_restore"].every((name) => existsSync(join(bin, name))),
    );
}

export interface DebianPostgres {
  superuserDsn(database: string): string;
  dsnFor(role: string, database: string): string;
  /** Runs one of its programs as a user of the machine would. Returns what it prints; throws what it complains of. */
  program(name: string, ...args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** `folder` is the caller's, and removed by it. Whoever can open the socket is let in as any role. */
export async function startDebianPostgres(folder: string, bin: string): Promise<DebianPostgres> {
  const account = findServerAccount();
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" };
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const data = join(folder, "data");
  await run(
    join(bin, "initdb"),
    [
      "-D",
      data,
      "--username=postgres",
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ],
    { ...identity, cwd: folder, env },
  );
  const settings = { listen_addresses: "", unix_socket_directories: folder, fsync: "off" };
  const server = spawn(
    join(bin, "postgres"),
    [
      "-D",
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    { ...identity, cwd: folder, env, stdio: "ignore" },
  );
  const gone = once(server, "exit");
  const dsnFor = (role: string, database: string) =>
    `postgres://${role}:unused@/${database}?host=${encodeURIComponent(folder)}`;
  await answering(dsnFor("postgres", "postgres"));
  return {
    superuserDsn: (database) => dsnFor("postgres", database),
    dsnFor,
    program: async (name, ...args) =>
      (await run(join(bin, name), args, { cwd: "/", env, maxBuffer: 1 << 24 })).stdout,
    stop: async () => {
      server.kill("SIGINT");
      await gone;
    },
  };
}

async function answering(dsn: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const sql = openConnection(dsn);
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (tries > 300) throw error;
      await delay(100);
    } finally {
      await sql.end();
    }
  }
}
