/**
 * Keeps a folder for one process: a file with the owner's pid and start time. A killed owner's lock is
 * taken over. Called by embedded.ts, since two farms on one data folder would end each other's server.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { codeOf } from "./database-error.ts";

/**
 * Takes the lock and returns how to give it back.
 * @throws Error naming the process that has it.
 */
export function lockFolder(file: string, what: string): () => void {
  const own = `${process.pid} ${startOf(process.pid) ?? ""}`;
  // Twice: once for the file, once more after a dead owner's was removed.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const handle = openSync(file, "wx", 0o600);
      writeSync(handle, own);
      closeSync(handle);
      return () => {
        if (readText(file) === own) rmSync(file, { force: true });
      };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const [pid, start] = (readText(file) ?? "").split(" ");
    if (pid !== undefined && pid !== "" && startOf(Number(pid)) === (start ?? "") && start !== "")
      throw new Error(`${what} is in use by process ${pid}: stop that first`);
    rmSync(file, { force: true });
  }
  throw new Error(`${what} is being taken by another process at this moment`);
}

/** When a process began, in ticks since boot, with the boot; undefined when there is none. Where there is no /proc, its being there must do. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat !== undefined) {
    // The name, in parentheses, may hold anything; the start is the 20th field behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${fields[19] ?? ""}@${readText("/proc/sys/kernel/random/boot_id")?.trim() ?? ""}`;
  }
  try {
    process.kill(pid, 0);
    return "alive";
  } catch {
    return undefined;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
