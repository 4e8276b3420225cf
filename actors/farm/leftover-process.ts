/**
 * Programs that a killed farm left running: each is written down while it runs, so that the next farm
 * ends it before it starts its own. Used by program.ts; the caller holds the farm's lock, so that no
 * living farm owns them.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Writes down a running program. */
export function noteProcess(file: string, pid: number): void {
  writeFileSync(file, `${pid} ${startOf(pid) ?? ""}`, { mode: 0o600 });
}

export function forgetProcess(file: string): void {
  rmSync(file, { force: true });
}

/** Ends the program of an earlier farm: asks it to stop, waits up to `patienceMs`, kills it. */
export async function endLeftover(
  file: string,
  patienceMs: number,
  log: (line: string) => void,
): Promise<void> {
  const [number = "", start = ""] = (readText(file) ?? "").split(" ");
  const pid = Number(number);
  const isThere = () => start !== "" && startOf(pid) === start;
  for (const [signal, ms] of [
    ["SIGTERM", patienceMs],
    ["SIGKILL", 5_000],
  ] as const) {
    if (!isThere()) break;
    log(`a program of an earlier run is still there (pid ${pid}): ${signal}`);
    try {
      process.kill(pid, signal);
    } catch {
      // Ended meanwhile.
    }
    const deadlineAt = performance.now() + ms;
    while (isThere() && performance.now() < deadlineAt) await delay(20);
  }
  forgetProcess(file);
}

/** Start time and boot, which tell a process from a later one of the same number; undefined for none, a zombie, or without /proc. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name, in parentheses, may hold anything; state and start are the 1st and the 20th field behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z"
    ? undefined
    : `${fields[19] ?? ""}@${readText("/proc/sys/kernel/random/boot_id")?.trim() ?? ""}`;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
