/**
 * Looks at a running build again and again, and says when it is beyond a limit that no process alone
 * crosses: memory and processes of all of it, the size of its folder. Started by launch.ts beside each
 * command; what follows from a hit is done there.
 *
 * Between two looks a build may go further. Of memory and processes it is what it can take in a quarter of
 * a second (and what the kernel refuses one process, see prlimitArguments), of disk what it can write in a
 * second and in the time that measuring takes.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import type { BuildProcess, ProcessTree } from "../build-processes.ts";
import type { BuildGroup } from "./cgroups.ts";
import { type LimitHit, limitText, type ResourceLimits, sizeText } from "./limits.ts";

const PROCESS_LOOK_MS = 250;
const DISK_LOOK_MS = 1_000;

/** The kernel walks all pages of a process for it, some ms where it is large; then others have a turn. */
const READS_PER_TURN = 20;

/** With less than this free on the disk no build goes on, however little of it is its own. */
const DISK_RESERVE_BYTES = 100_000_000;
/** A disk whose inodes are used up is as full; some file systems (btrfs) count none. */
const DISK_RESERVE_FILES = 20_000;

export interface Watched {
  readonly tree: ProcessTree;
  /** What the build writes lies in it. */
  readonly folder: string;
  readonly limits: ResourceLimits;
  /** Where the kernel counts, it is asked instead. */
  readonly group: BuildGroup | undefined;
}

/** Calls `onHit` at most once. @returns ends the watch */
export function watchLimits(watched: Watched, onHit: (hit: LimitHit) => void): () => void {
  const { limits, group } = watched;
  const over = new AbortController();
  const looks: [number, () => Promise<LimitHit | undefined>][] = [];
  if (group !== undefined) {
    looks.push([PROCESS_LOOK_MS, () => Promise.resolve(group.findHit())]);
  } else if (limits.memoryBytes !== undefined || limits.processes !== undefined) {
    looks.push([PROCESS_LOOK_MS, () => lookAtProcesses(watched)]);
  }
  if (limits.diskBytes !== undefined) {
    const disk = new DiskUse(watched.folder);
    looks.push([DISK_LOOK_MS, () => lookAtDisk(disk, limits)]);
  }
  for (const [everyMs, look] of looks) {
    void repeat(everyMs, look, over.signal).then((hit) => {
      if (hit === undefined || over.signal.aborted) return;
      over.abort();
      onHit(hit);
    });
  }
  return () => over.abort();
}

/** A look that takes long is followed by as long a pause, so that it takes half of a processor at most. */
async function repeat(
  everyMs: number,
  look: () => Promise<LimitHit | undefined>,
  signal: AbortSignal,
): Promise<LimitHit | undefined> {
  try {
    for (;;) {
      const startedAt = performance.now();
      const hit = await look();
      if (hit !== undefined) return hit;
      const tookMs = performance.now() - startedAt;
      await delay(Math.max(everyMs - tookMs, tookMs), undefined, { signal });
    }
  } catch {
    // The watch has ended.
    return undefined;
  }
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

async function lookAtDisk(disk: DiskUse, limits: ResourceLimits): Promise<LimitHit | undefined> {
  const { bytes, freeBytes, freeFiles } = await disk.measure();
  if (bytes > (limits.diskBytes ?? Number.POSITIVE_INFINITY)) {
    return hit("disk", limits, `its folder held ${sizeText(bytes)}`);
  }
  if (freeFiles !== undefined && freeFiles < DISK_RESERVE_FILES) {
    return {
      kind: "disk",
      message: `ended while the slave's disk had room for only ${freeFiles} more files; the build held ${sizeText(bytes)}`,
    };
  }
  if (freeBytes >= DISK_RESERVE_BYTES) return undefined;
  return {
    kind: "disk",
    message: `ended while the slave's disk had only ${sizeText(freeBytes)} left; the build held ${sizeText(bytes)}`,
  };
}

const hit = (kind: LimitHit["kind"], limits: ResourceLimits, found: string): LimitHit => ({
  kind,
  message: `ended at ${limitText(kind, limits)}: ${found}`,
});

/** What a folder takes of its disk. */
class DiskUse {
  readonly #folder: string;
  #freeBytesAtFirst: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async measure(): Promise<{
    readonly bytes: number;
    readonly freeBytes: number;
    /** Undefined where they are not counted. */
    readonly freeFiles: number | undefined;
  }> {
    const disk = await statfs(this.#folder);
    const freeBytes = disk.bavail * disk.bsize;
    const freeFiles = disk.files > 0 ? disk.ffree : undefined;
    this.#freeBytesAtFirst ??= freeBytes;
    const { bytes, isAll } = await measureFolder(this.#folder);
    // Folders that a build locked against reading are counted by what the disk has lost meanwhile.
    const lostBytes = Math.max(0, this.#freeBytesAtFirst - freeBytes);
    return { bytes: isAll ? bytes : Math.max(bytes, lostBytes), freeBytes, freeFiles };
  }
}

/** By `du`, which is many times faster than a walk from here; files that went meanwhile are no error to us. */
function measureFolder(folder: string): Promise<{ bytes: number; isAll: boolean }> {
  return new Promise((resolve) => {
    execFile(
      "du",
      ["-skx", folder],
      { timeout: 60_000, env: { PATH: process.env["PATH"], LC_ALL: "C" } },
      (error, stdout, stderr) => {
        const bytes = Number(/^(\d+)/.exec(stdout)?.[1] ?? 0) * 1024;
        const isAll = error === null || !/denied|not found/i.test(`${stderr}${error.message}`);
        resolve({ bytes, isAll: isAll && stdout !== "" });
      },
    );
  });
}

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
