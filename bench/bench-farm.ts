/**
 * A farm for a bench: the built piw-master and piw-slave as processes of their own, on loopback, with a real
 * PostgreSQL that syncs to disk as `piw farm`'s does, in dev mode. The bench brings the upstream. It is no
 * farm for tests: nothing can be killed and started again here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openConnection, type Sql } from "../db/connection.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../db/embedded.ts";
import { ensureFarmDatabase } from "../db/farm-database.ts";
import { upgradeDatabase } from "../db/migrate.ts";
import { LogBook } from "./log-book.ts";

export interface BenchFarmOptions {
  readonly upstream: {
    readonly simpleUrl: string;
    readonly xmlrpcUrl: string;
    readonly jsonUrl: string;
  };
  /** More arguments for piw-master. */
  readonly master?: readonly string[];
  /** False: no slave; the bench connects its own. The master then has the times of production. Default true. */
  readonly hasSlave?: boolean;
}

export interface BenchFarm {
  /** `http://127.0.0.1:PORT` */
  readonly siteUrl: string;
  /** What the master writes for the web server. */
  readonly outputPath: string;
  /** A connection of the master's role. */
  readonly sql: Sql;
  /** Of the role that owns the tables. */
  readonly ownerDsn: string;
  readonly log: LogBook;
  /** Where slaves connect. */
  readonly slaveQueue: string;
  /** Where monitors ask, and where they listen. */
  readonly controlQueue: string;
  readonly statusQueue: string;
  readonly masterPid: number;
  /** For whatever else the bench needs on disk; removed by `end`. */
  readonly folder: string;
  /** Ends everything and removes its folder. Idempotent. */
  end(): Promise<void>;
}

const START_PATIENCE_MS = 60_000;
/** Beyond the program's own deadline in dev mode. */
const STOP_PATIENCE_MS = 12_000;
const isRoot = process.getuid?.() === 0;

/** Starts it; resolves when a slave is there. @throws Error with the end of the logs; nothing is left running then. */
export async function startBenchFarm(
  options: BenchFarmOptions,
  signal: AbortSignal,
): Promise<BenchFarm> {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-"));
  // Started by root, the database's user must pass through.
  chmodSync(folder, 0o711);
  const log = new LogBook();
  const programs: ChildProcess[] = [];
  const open: { sql?: Sql; postgres?: EmbeddedPostgres } = {};
  const end = async (): Promise<void> => {
    for (const program of programs.splice(0).reverse()) await endProgram(program);
    await open.sql?.end({ timeoutMs: 1_000 });
    await open.postgres?.stop();
    if (open.postgres !== undefined) rmSync(open.postgres.folder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const postgres = await startEmbeddedPostgres({
      folder: join(folder, "database"),
      allowRoot: isRoot,
      log: () => undefined,
    });
    open.postgres = postgres;
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(postgres);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
    const sql = openConnection(masterDsn, { applicationName: "bench" });
    open.sql = sql;
    signal.throwIfAborted();

    const [slave, file, http] = [await freePort(), await freePort(), await freePort()];
    const siteUrl = `http://127.0.0.1:${http}`;
    const outputPath = join(folder, "site");
    const ipc = (name: string): string => `ipc://${join(folder, name)}`;
    const links = [
      `--slave-queue=tcp://127.0.0.1:${slave}`,
      `--file-queue=tcp://127.0.0.1:${file}`,
    ];
    const { upstream, master = [], hasSlave = true } = options;
    const masterArguments = [
      ...[`--output-path=${outputPath}`, `--http=127.0.0.1:${http}`],
      ...[`--pypi-simple=${upstream.simpleUrl}`, `--pypi-json=${upstream.jsonUrl}`],
      ...[`--pypi-xmlrpc=${upstream.xmlrpcUrl}`, `--status-queue=${ipc("status")}`],
      ...[`--control-queue=${ipc("control")}`, `--import-queue=${ipc("import")}`],
      `--log-queue=${ipc("log")}`,
      ...[...links, ...master],
    ];
    const slaveArguments = [`--dir=${join(folder, "slave")}`, "--label=slave-1", ...links];
    const times = hasSlave ? ["--dev-mode"] : [];
    const env = { PIW_DSN: masterDsn };
    const masterProgram = start("piw-master", [...times, ...masterArguments], env, log);
    programs.push(masterProgram);
    if (hasSlave) programs.push(start("piw-slave", [...times, ...slaveArguments], {}, log));
    const sign = hasSlave ? "slave is here" : "slave link is open";
    await log.line(
      sign,
      ({ program, msg }) => program === "piw-master" && msg === sign,
      START_PATIENCE_MS,
      signal,
    );
    const slaveQueue = `tcp://127.0.0.1:${slave}`;
    const masterPid = masterProgram.pid ?? 0;
    const queues = { slaveQueue, controlQueue: ipc("control"), statusQueue: ipc("status") };
    return {
      ...{ siteUrl, outputPath, sql, ownerDsn, log, ...queues, masterPid, folder },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function start(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  log: LogBook,
): ChildProcess {
  const common = ["--configuration=/dev/null", ...(isRoot ? ["--allow-root"] : [])];
  const child = spawn(
    process.execPath,
    ["--enable-source-maps", builtProgram(name), ...common, ...args],
    {
      // The channel ends the program when this process is killed.
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...env },
    },
  );
  if (child.stderr !== null)
    createInterface(child.stderr).on("line", (text) => log.add(name, text));
  child.once("error", (error) => log.giveUp(error));
  child.once("exit", (code, killedBy) => {
    log.giveUp(new Error(`${name} has ended (${killedBy ?? code})\n${log.last()}`));
  });
  return child;
}

/** Beside this file in dist; two folders up from the source. */
function builtProgram(name: string): string {
  const places = [`../bin/${name}.js`, `../dist/bin/${name}.js`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`${name} is not built: npm run build`);
  return found;
}

async function endProgram(program: ChildProcess): Promise<void> {
  const isOver = (): boolean => program.exitCode !== null || program.signalCode !== null;
  if (isOver() || program.pid === undefined) return;
  const gone = once(program, "exit");
  program.kill("SIGTERM");
  await Promise.race([gone, delay(STOP_PATIENCE_MS, undefined, { ref: false })]);
  if (isOver()) return;
  program.kill("SIGKILL");
  await gone;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
