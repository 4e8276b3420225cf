/**
 * A real PostgreSQL of the farm's own, from npm, for `piw farm` and the tests: made when first
 * started, kept between runs, stopped in order. Started by bin/piw.ts and test/support; whoever has a
 * server uses that one with a dsn instead.
 *
 * It listens on a Unix socket in a folder that only its user can enter, with passwords, and on a
 * loopback port where one is asked for. It ends in order when its parent is killed, through a guard
 * process; a server that was itself killed recovers at the next start.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, createHmac, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { findServerBinaries } from "./embedded-binaries.ts";
import { lockFolder } from "./folder-lock.ts";
import { canEnter, copyForAll, findServerAccount, type ServerAccount } from "./server-account.ts";
import { clearLeftovers } from "./server-leftovers.ts";

export interface EmbeddedOptions {
  /** For everything of the server: data, log, password. Absolute, or taken from the working folder. */
  readonly folder: string;
  /** Listens on 127.0.0.1 too, e.g. for psql. Default: on the socket only. */
  readonly port?: number;
  /** What is worth saying at a start, a line at a time. */
  readonly log: (line: string) => void;
  /** As root the server runs as another user; without this, root is refused. Default false. */
  readonly allowRoot?: boolean;
  /** False: nothing is synced to disk, for tests. The data survive a killed server, not a crash of the machine. Default true. */
  readonly durable?: boolean;
  /** False: the server outlives this process, and whoever started it sees to its end. Default true. */
  readonly guard?: boolean;
  /** Where root keeps what the server's user could not reach elsewhere. Default `/var/lib/wheelwright`. */
  readonly sharedHome?: string;
}

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

/** The server did not start. `message` is one line that says why; `logTail` the last lines of its log. */
export class EmbeddedPostgresError extends Error {
  readonly logTail: readonly string[];
  constructor(message: string, logTail: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = "EmbeddedPostgresError";
    this.logTail = logTail;
  }
}

const SUPERUSER = "postgres";
/** Names the socket file where no port is asked for; nothing listens on it then. */
const SOCKET_PORT = 5432;
/** Recovery after a crash reads the log since the last checkpoint, which is at most 5 minutes of work. */
const START_PATIENCE_MS = 120_000;
const STOP_PATIENCE_MS: readonly (readonly [signal: NodeJS.Signals, ms: number])[] = [
  ["SIGINT", 15_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];
/** `sun_path` of the smaller systems, with the lock file's longer name and the ending zero. */
const SOCKET_FOLDER_MAX = 103 - "/.s.PGSQL.65535.lock".length;
const LOG_BYTES_MAX = 10 * 1024 * 1024;

/**
 * Starts the server, and makes its data folder first where there is none.
 * @throws EmbeddedPostgresError: root without `allowRoot`, the folder in use by another farm, data of
 * another PostgreSQL version, no binaries for this machine, or whatever its log says.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const place = prepare(options);
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

/** Everything that is known before the server runs. */
interface Place {
  readonly account: ServerAccount | undefined;
  readonly folder: string;
  readonly data: string;
  readonly logFile: string;
  readonly sockets: string;
  readonly bin: (program: string) => string;
}

function prepare(options: EmbeddedOptions): Place {
  const asked = resolve(options.folder);
  if (process.getuid?.() === 0 && options.allowRoot !== true)
    throw new EmbeddedPostgresError(
      "the embedded database is not started by root; say --allow-root where that is meant",
    );
  return guarded(() => {
    const account = findServerAccount();
    const home = options.sharedHome ?? "/var/lib/wheelwright";
    let folder = asked;
    // The folder itself will belong to the server's user; those above it are somebody's.
    if (account !== undefined && !canEnter(dirname(asked), account)) {
      folder = join(
        home,
        `database-${createHash("sha256").update(asked).digest("hex").slice(0, 12)}`,
      );
      options.log(
        `the database is kept in ${folder}: its user ${account.name} cannot enter ${dirname(asked)}`,
      );
    }
    makeFolder(folder, account);
    const binaries = findServerBinaries();
    let root = binaries.folder;
    if (account !== undefined && !canEnter(join(root, "bin"), account)) {
      root = copyForAll(root, home, binaries.name);
      options.log(
        `PostgreSQL runs from ${root}: its user ${account.name} cannot enter ${binaries.folder}`,
      );
    }
    const bin = (program: string) => join(root, "bin", program);
    return {
      account,
      folder,
      data: join(folder, "data"),
      logFile: join(folder, "postgresql.log"),
      sockets: makeSocketFolder(folder, account),
      bin,
    };
  });
}

function makeFolder(folder: string, account: ServerAccount | undefined): void {
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
}

/** Below the data where the name is short enough for a socket, else in the folder for temporary files. */
function makeSocketFolder(folder: string, account: ServerAccount | undefined): string {
  const near = join(folder, "run");
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  const sockets = near.length <= SOCKET_FOLDER_MAX ? near : join(tmpdir(), `wheelwright-${name}`);
  mkdirSync(sockets, { recursive: true, mode: 0o700 });
  // Somebody else may have made that name, or a link of it.
  const owner = lstatSync(sockets);
  const mine = [process.getuid?.(), account?.uid];
  if (!owner.isDirectory() || !mine.includes(owner.uid))
    throw new Error(`${sockets} belongs to somebody else: remove it`);
  chmodSync(sockets, 0o700);
  if (account !== undefined) chownSync(sockets, account.uid, account.gid);
  return sockets;
}

/** One secret from which each role's password is made. */
function readSecret(file: string): string {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, randomBytes(32).toString("hex"), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file, "utf8");
}

const passwordOf = (secret: string, role: string) =>
  createHmac("sha256", secret).update(role).digest("base64url");

/** Runs initdb beside the final name, so that a half-made cluster is never taken for one. */
async function makeCluster(place: Place, secret: string, durable: boolean): Promise<void> {
  if (existsSync(place.data)) {
    const major = readFileSync(join(place.data, "PG_VERSION"), "utf8").trim();
    const output = run(place, "postgres", ["--version"]);
    const own = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
    if (own !== major)
      throw new EmbeddedPostgresError(
        `${place.data} was made by PostgreSQL ${major}, and this is ${own ?? "unknown"}: move it away, or export and import it with the old program`,
      );
    return;
  }
  const half = join(place.folder, "data.new");
  const passwordFile = join(place.folder, "password.new");
  rmSync(half, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, passwordOf(secret, SUPERUSER), { mode: 0o600 });
  if (place.account !== undefined) chownSync(passwordFile, place.account.uid, place.account.gid);
  try {
    await runLogged(place, "initdb", [
      `--pgdata=${half}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // Sorts and folds the same on every machine, whatever locales it has.
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--no-instructions",
      ...(durable ? [] : ["--no-sync"]),
    ]);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(half, place.data);
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

const identity = (account: ServerAccount | undefined) =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid };

/** No PG* variable of the user's reaches the server, no locale changes the words of its log. */
const serverEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
});

function run(place: Place, program: string, args: readonly string[]): string {
  const result = spawnSync(place.bin(program), args, {
    ...identity(place.account),
    cwd: place.folder,
    env: serverEnvironment(),
    encoding: "utf8",
  });
  if (result.error === undefined && result.status === 0) return result.stdout;
  throw new EmbeddedPostgresError(
    `PostgreSQL's ${program} does not run on this machine: ${result.error?.message ?? lastLine(result.stderr)}`,
  );
}

async function runLogged(place: Place, program: string, args: readonly string[]): Promise<void> {
  const child = spawn(place.bin(program), args, {
    ...identity(place.account),
    cwd: place.folder,
    env: serverEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-10_000);
  });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => {
      resolve(error.message);
    });
    child.once("close", (code) => {
      resolve(code === 0 ? undefined : lastLine(errors) || `it ended with code ${code}`);
    });
  });
  if (failure === undefined) return;
  throw new EmbeddedPostgresError(
    `PostgreSQL's ${program} failed in ${place.folder}: ${failure}`,
    errors.trimEnd().split("\n").slice(-20),
  );
}

/** The error is the line that says so, not initdb's word that it removes what it made. */
const lastLine = (text: string): string => {
  const lines = text.trim().split("\n");
  return lines.findLast((line) => /error|fatal|could not/i.test(line)) ?? lines.at(-1) ?? "";
};

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

/** Errors of the file system become one line that names the cause. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error;
    throw new EmbeddedPostgresError(
      `the embedded database does not start: ${messageOf(error)}`,
      [],
      { cause: error },
    );
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
