/**
 * A real PostgreSQL of the farm's own, from npm, for `piw farm` and the tests: made when first
 * started, kept between runs, stopped in order. Started by bin/piw.ts and test/support; whoever has a
 * server uses that one with a dsn instead.
 *
 * It listens on a Unix socket in a folder that only its user can enter, with passwords, and on a
 * loopback port where one is asked for. It ends in order when its parent is killed, through a guard
 * process; a server that was itself killed recovers at the next start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { makeCluster } from "./embedded-cluster.ts";
import {
  type EmbeddedOptions,
  EmbeddedPostgresError,
  guarded,
  identity,
  messageOf,
  type Place,
  passwordOf,
  preparePlace,
  readSecret,
  SUPERUSER,
  serverEnvironment,
} from "./embedded-place.ts";
import { lockFolder } from "./folder-lock.ts";
import { clearLeftovers } from "./server-leftovers.ts";

export type { EmbeddedOptions } from "./embedded-place.ts";

export interface EmbeddedPostgres {
  /** The connection string of a superuser. */
  superuserDsn(database: string): string;
  /** That of another role, whose password is the one in it; see ensureFarmDatabase. */
  dsnFor(role: string, database: string): string;
  /** Ends sessions, writes a checkpoint, ends. Idempotent; kills what will not end within 25 s. */
  stop(): Promise<void>;
  readonly pid: number;
  /** Where data and log really are: not in the asked folder when root's server cannot reach that. */
  readonly folder: string;
  /** Resolves when the server has ended, by `stop` or by itself. */
  readonly exited: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
  }>;
}

/** Names the socket file where no port is asked for; nothing listens on it then. */
const SOCKET_PORT = 5432;
/** Recovery after a crash reads the log since the last checkpoint, which is at most 5 minutes of work. */
const START_PATIENCE_MS = 120_000;
const STOP_PATIENCE_MS: readonly (readonly [signal: NodeJS.Signals, ms: number])[] = [
  ["SIGINT", 15_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];
const LOG_BYTES_MAX = 10 * 1024 * 1024;

/**
 * Starts the server, and makes its data folder first where there is none.
 * @throws EmbeddedPostgresError: root without `allowRoot`, the folder in use by another farm, data of
 * another PostgreSQL version, no binaries for this machine, or whatever its log says.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const place = preparePlace(options);
  const unlock = guarded(() =>
    lockFolder(join(place.folder, "owner"), `the database folder ${place.folder}`),
  );
  try {
    const secret = readSecret(join(place.folder, "secret"));
    await makeCluster(place, secret, options.durable ?? true);
    await clearLeftovers(place.data, options.log);
    return await launch(place, secret, options, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function launch(
  place: Place,
  secret: string,
  options: EmbeddedOptions,
  unlock: () => void,
): Promise<EmbeddedPostgres> {
  if (existsSync(place.logFile) && statSync(place.logFile).size > LOG_BYTES_MAX)
    renameSync(place.logFile, `${place.logFile}.old`);
  const log = openSync(place.logFile, "a", 0o600);
  const logFrom = statSync(place.logFile).size;
  const server = spawn(place.bin("postgres"), serverArguments(place, options), {
    ...identity(place.account),
    cwd: place.folder,
    env: serverEnvironment(),
    stdio: ["ignore", log, log],
    // Ctrl-C on a terminal reaches the whole group; the server's turn to stop comes last.
    detached: true,
  });
  closeSync(log);
  let ended = false;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      ended = true;
      guard?.kill("SIGKILL");
      unlock();
      resolve({ code, signal });
    };
    server.once("exit", end);
    server.once("error", () => {
      end(null, null);
    });
  });
  const guard =
    server.pid === undefined || options.guard === false ? undefined : startGuard(server.pid, place);
  if (options.guard === false) server.unref();
  const dsnFor = (role: string, database: string) =>
    `postgres://${encodeURIComponent(role)}:${passwordOf(secret, role)}@/${encodeURIComponent(database)}` +
    `?host=${encodeURIComponent(place.sockets)}&port=${options.port ?? SOCKET_PORT}`;
  const stop = async () => {
    for (const [signal, ms] of STOP_PATIENCE_MS) {
      if (ended) return;
      server.kill(signal);
      await within(exited, ms);
    }
  };
  try {
    await ready(place, () => ended, dsnFor(SUPERUSER, "postgres"));
  } catch (error) {
    await stop();
    const tail = logTail(place.logFile, logFrom);
    const reason =
      tail.findLast((line) => /FATAL|PANIC/.test(line)) ?? tail.at(-1) ?? messageOf(error);
    throw new EmbeddedPostgresError(
      `the embedded database does not start: ${reason.replace(/^.*?(FATAL|PANIC):\s*/, "")} (log: ${place.logFile})`,
      tail,
      { cause: error },
    );
  }
  return {
    superuserDsn: (database) => dsnFor(SUPERUSER, database),
    dsnFor,
    stop,
    pid: server.pid ?? 0,
    folder: place.folder,
    exited,
  };
}

function serverArguments(place: Place, options: EmbeddedOptions): string[] {
  const settings: Record<string, string> = {
    unix_socket_directories: place.sockets,
    unix_socket_permissions: "0700",
    listen_addresses: options.port === undefined ? "" : "127.0.0.1",
    port: String(options.port ?? SOCKET_PORT),
    max_connections: "100",
    // Lines of the log file; the asker learns of its own errors by itself.
    log_min_error_statement: "panic",
    log_line_prefix: "%m [%p] %a ",
    log_timezone: "UTC",
    timezone: "UTC",
    ...(options.durable === false
      ? {
          fsync: "off",
          full_page_writes: "off",
          wal_level: "minimal",
          max_wal_senders: "0",
        }
      : {}),
  };
  return [
    "-D",
    place.data,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
}

/** Waits for the server's own word, then for an answer to a query. */
async function ready(place: Place, hasEnded: () => boolean, dsn: string): Promise<void> {
  const deadlineAt = performance.now() + START_PATIENCE_MS;
  while (!saysReady(join(place.data, "postmaster.pid"))) {
    if (hasEnded()) throw new Error("it ended at once");
    if (performance.now() > deadlineAt)
      throw new Error(`it was not ready within ${START_PATIENCE_MS} ms`);
    await delay(10);
  }
  const sql = openConnection(dsn);
  try {
    await sql`select 1`;
  } finally {
    await sql.end();
  }
}

/** The eighth line of the pid file is the state, as pg_ctl reads it. */
function saysReady(pidFile: string): boolean {
  try {
    return readFileSync(pidFile, "utf8").split("\n")[7]?.trim() === "ready";
  } catch {
    return false;
  }
}

/**
 * A shell that does nothing but wait for the end of its input, which comes when this process ends in
 * whatever way, and then stops the server in order, if it is still that server.
 */
function startGuard(pid: number, place: Place): ChildProcess {
  const script =
    'read -r _; [ ! -e /proc/self ] || [ "$(readlink "/proc/$1/cwd")" = "$2" ] && kill -INT "$1"';
  const guard = spawn("/bin/sh", ["-c", script, "sh", String(pid), place.data], {
    ...identity(place.account),
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.on("error", () => undefined);
  guard.unref();
  // Neither the pipe nor the guard keeps this process alive.
  (guard.stdin as Socket | null)?.unref();
  return guard;
}

function logTail(file: string, from: number): string[] {
  const bytes = readFileSync(file).subarray(from);
  return bytes.toString("utf8").trimEnd().split("\n").slice(-20);
}

/** Resolves at the promise's end or the deadline, whichever comes first. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, deadline]);
  clearTimeout(timer);
}
