/**
 * What an earlier server left in its data folder: the server itself, when whoever started it was
 * killed, its orphaned workers when it was killed itself, and its pid file. Called by embedded.ts
 * before a start, which holds the folder's lock: nobody else's server is there.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** How long a shutdown may take before it is made harsher: fast, immediate, kill. */
const PATIENCE_MS: readonly (readonly [signal: NodeJS.Signals, ms: number])[] = [
  ["SIGINT", 15_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];

/**
 * Ends everything that still works in the data folder, in order where that is possible, and removes a
 * pid file that names no server. Without /proc the file is PostgreSQL's to judge.
 */
export async function clearLeftovers(
  dataFolder: string,
  log: (line: string) => void,
): Promise<void> {
  if (process.platform !== "linux") return;
  const pidFile = join(dataFolder, "postmaster.pid");
  const master = readPid(pidFile);
  for (const [signal, patienceMs] of PATIENCE_MS) {
    const found = processesIn(dataFolder);
    if (found.length === 0) break;
    const server = found.filter((pid) => pid === master);
    // The server ends its workers; without it they are told one by one.
    const targets = server.length > 0 && signal !== "SIGKILL" ? server : found;
    log(
      `a database server of an earlier run is still there (pid ${targets.join(", ")}): ${signal}`,
    );
    for (const pid of targets) kill(pid, server.length > 0 ? signal : "SIGKILL");
    const deadlineAt = performance.now() + patienceMs;
    while (processesIn(dataFolder).length > 0 && performance.now() < deadlineAt) await delay(20);
  }
  if (master === undefined) return;
  // Nobody is there, so the number is stale; after a reboot it may be that of some other process, and
  // PostgreSQL would then refuse to start.
  if (processesIn(dataFolder).length === 0) rmSync(pidFile, { force: true });
}

/** A server and its workers stand in their data folder. */
function processesIn(dataFolder: string): number[] {
  const folder = realpathSync(dataFolder);
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (readlinkSync(`/proc/${entry}/cwd`) === folder && isAlive(entry)) found.push(pid);
    } catch {
      // Ended meanwhile, or somebody else's.
    }
  }
  return found;
}

/** A zombie has ended and only waits for its parent to notice. */
const isAlive = (pid: string) => !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Ended meanwhile.
  }
}
