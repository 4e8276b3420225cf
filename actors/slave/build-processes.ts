/**
 * Finds and ends everything that a build started, daemons that left its process group included: each
 * carries the build's id in its environment, which /proc shows. Called after every build, and at start for
 * the builds of a slave that died. A process that wipes its own environment escapes; only a pid namespace
 * would hold it.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { BUILD_ID_VARIABLE } from "./environment.ts";

/** Process ids of a build; empty where there is no /proc. */
export async function findBuildProcesses(buildId: string): Promise<number[]> {
  const mark = Buffer.from(`${BUILD_ID_VARIABLE}=${buildId}\0`);
  const names = await readdir("/proc").catch(() => []);
  const found: number[] = [];
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    // Processes of other users cannot be read, and are none of ours; others end while we look.
    const environment = await readFile(`/proc/${name}/environ`).catch(() => undefined);
    if (environment === undefined) continue;
    const at = environment.indexOf(mark);
    if (at === 0 || (at > 0 && environment[at - 1] === 0)) found.push(pid);
  }
  return found;
}

/** How long to go on against a build that starts processes faster than they can be ended. */
const END_TIMEOUT_MS = 10_000;

/**
 * Ends every process of a build at once (SIGKILL), and looks again until none is left.
 * @returns those still there at the end of `timeoutMs`: unkillable, or too many
 */
export async function endBuildProcesses(
  buildId: string,
  timeoutMs = END_TIMEOUT_MS,
): Promise<number[]> {
  const endAt = performance.now() + timeoutMs;
  for (;;) {
    const left = await findBuildProcesses(buildId);
    if (left.length === 0 || performance.now() > endAt) return left;
    // Stopped first, so that none of them starts another while its brothers are being ended.
    for (const pid of left) signalProcess(pid, "SIGSTOP");
    for (const pid of left) signalProcess(pid, "SIGKILL");
    await delay(10);
  }
}

/** Signals a process, or with a negative id a group; one that is gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already, or not ours: nothing that a caller could do about it.
  }
}
