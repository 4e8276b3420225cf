/**
 * Looks at a running build again and again, and says when it is beyond a limit that no process alone
 * crosses: memory and processes of all of it, the size of its folder. Started by launch.ts beside each
 * command; what follows from a hit is done there.
 *
 * Between two looks a build may go further. Of memory and processes it is what it can take in a quarter of
 * a second (and what the kernel refuses one process, see prlimitArguments), of disk what it can write in a
 * second and in the time that measuring takes.
 */
import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { BuildProcess, ProcessTree } from "../build-processes.ts";
import type { BuildGroup } from "./cgroups.ts";
import type { DiskWatch } from "./disk-watch.ts";
import { type LimitHit, limitText, type ResourceLimits, sizeText } from "./limits.ts";
import { repeat } from "./repeat.ts";

const PROCESS_LOOK_MS = 250;

/** The kernel walks all pages of a process for it, some ms where it is large; then others have a turn. */
const READS_PER_TURN = 20;

export interface Watched {
  readonly tree: ProcessTree;
  /** What the build writes lies in it. */
  readonly folder: string;
  readonly limits: ResourceLimits;
  /** Where the kernel counts, it is asked instead. */
  readonly group: BuildGroup | undefined;
  /** Of all builds. */
  readonly disk: DiskWatch;
}

/** Calls `onHit` at most once. @returns ends the watch */
export function watchLimits(watched: Watched, onHit: (hit: LimitHit) => void): () => void {
  const { folder, limits, group, disk } = watched;
  const over = new AbortController();
  const end = () => {
    over.abort();
    endDisk();
  };
  const tell = (hit: LimitHit | undefined) => {
    if (hit === undefined || over.signal.aborted) return;
    end();
    onHit(hit);
  };
  const endDisk = disk.watch(folder, limits, tell);
  const look =
    group !== undefined ? () => Promise.resolve(group.findHit()) : () => lookAtProcesses(watched);
  if (group !== undefined || limits.memoryBytes !== undefined || limits.processes !== undefined) {
    void repeat(PROCESS_LOOK_MS, look, over.signal).then(tell);
  }
  return end;
}

async function lookAtProcesses({ tree, limits }: Watched): Promise<LimitHit | undefined> {
  const found = await tree.find();
  const tasks = found.reduce((sum, { threads }) => sum + threads, 0);
  if (limits.processes !== undefined && tasks > limits.processes) {
    return hit("processes", limits, `${tasks} ran`);
  }
  if (limits.memoryBytes === undefined) return undefined;
  // Pages that processes share are counted for each of them here; only beyond the limit is it worth its
  // price to have them counted once.
  const residentBytes = found.reduce((sum, each) => sum + each.residentPages, 0) * pageBytes();
  if (residentBytes <= limits.memoryBytes) return undefined;
  let bytes = 0;
  for (const [index, each] of found.entries()) {
    if (index % READS_PER_TURN === READS_PER_TURN - 1) await turn();
    bytes += proportionalBytes(each);
    if (bytes > limits.memoryBytes) {
      return hit("memory", limits, `its processes held ${sizeText(bytes)}`);
    }
  }
  return undefined;
}

const hit = (kind: LimitHit["kind"], limits: ResourceLimits, found: string): LimitHit => ({
  kind,
  message: `ended at ${limitText(kind, limits)}: ${found}`,
});

/** Pss: a page that n processes share counts as 1/n for each. Where it cannot be read, all that is resident. */
function proportionalBytes({ pid, residentPages }: BuildProcess): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    const kib = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Gone, or no such file on this kernel (before 4.14).
  }
  return residentPages * pageBytes();
}

let pageBytesRead: number | undefined;

/** From the auxiliary vector (getauxval(3)): 4 KiB on most machines, 16 or 64 on some boards. */
function pageBytes(): number {
  pageBytesRead ??= readPageBytes();
  return pageBytesRead;
}

const AT_PAGESZ = 6;

function readPageBytes(): number {
  const wordBytes = ["arm", "ia32"].includes(process.arch) ? 4 : 8;
  try {
    const vector = readFileSync("/proc/self/auxv");
    for (let at = 0; at + 2 * wordBytes <= vector.length; at += 2 * wordBytes) {
      if (vector.readUInt32LE(at) === AT_PAGESZ) return vector.readUInt32LE(at + wordBytes);
    }
  } catch {
    // No /proc, or not readable after a change of the user.
  }
  return 4_096;
}
