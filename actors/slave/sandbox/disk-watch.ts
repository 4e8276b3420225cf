/**
 * Watches over the disk that all builds of a slave write to: each build's folder against the limit of disk, and what is left
 * for all of them. One for a slave (the sandbox has it); the watch over a command asks it.
 *
 * Each build is held to what is its own. Where the disk itself runs out, the build that holds most of it ends, and
 * no other before what that one held was given back.
 */
import { execFile } from "node:child_process";
import { lstat, statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type LimitHit, limitText, type ResourceLimits, sizeText } from "./limits.ts";
import { repeat } from "./repeat.ts";

const FOLDER_LOOK_MS = 1_000;
/** A disk fills up by a gigabyte in the time that a folder is looked at; asking what is left costs nothing. */
const LEFT_LOOK_MS = 200;

/** With less than this free on the disk the largest build ends, however little it holds. */
const RESERVE_BYTES = 100_000_000;
/** A disk whose inodes are used up is as full; some file systems (btrfs) count none. */
const RESERVE_FILES = 20_000;

/** How long the removal of a large folder may take before the next build is looked at. */
const GIVEN_BACK_WITHIN_MS = 120_000;
/** A build may lock a folder at the moment that it is measured; one that does so again and again hides what it holds. */
const HIDDEN_LOOKS = 3;

interface Watched {
  readonly folder: string;
  readonly limits: ResourceLimits;
  readonly onHit: (hit: LimitHit) => void;
}

/** What an unlimited build may hold nobody asks; what the disk has left counts for it too. */
export class DiskWatch {
  readonly #builds = new Set<Watched>();
  readonly #reserve: { readonly bytes: number; readonly files: number };
  #isLooking = false;

  constructor(reserve = { bytes: RESERVE_BYTES, files: RESERVE_FILES }) {
    this.#reserve = reserve;
  }

  /** Calls `onHit` at most once. @returns ends the watch */
  watch(folder: string, limits: ResourceLimits, onHit: (hit: LimitHit) => void): () => void {
    if (limits.diskBytes === undefined) return () => undefined;
    const over = new AbortController();
    const end = () => {
      this.#builds.delete(build);
      over.abort();
    };
    const build: Watched = {
      folder,
      limits,
      onHit: (hit) => {
        if (over.signal.aborted) return;
        end();
        onHit(hit);
      },
    };
    this.#builds.add(build);
    const look = folderLook(folder, limits);
    void repeat(FOLDER_LOOK_MS, look, over.signal).then((hit) => hit && build.onHit(hit));
    if (!this.#isLooking) void this.#lookAtDisk();
    return end;
  }

  async #lookAtDisk(): Promise<void> {
    this.#isLooking = true;
    while (this.#builds.size > 0) {
      try {
        const ended = await this.#endLargest();
        if (ended !== undefined) await this.#givenBack(ended);
      } catch {
        // A folder that went at this moment.
      }
      await delay(LEFT_LOOK_MS);
    }
    this.#isLooking = false;
  }

  /** @returns the folder of the build that was ended for the sake of the others */
  async #endLargest(): Promise<string | undefined> {
    const [any] = this.#builds;
    if (any === undefined) return undefined;
    const { bytes, files } = await leftOn(any.folder);
    const hasNoFiles = files !== undefined && files < this.#reserve.files;
    if (bytes >= this.#reserve.bytes && !hasNoFiles) return undefined;
    const builds = [...this.#builds];
    const held = await Promise.all(
      builds.map(async ({ folder }) => ({
        ...(await measureFolder(folder)),
        files: hasNoFiles ? await countFiles(folder) : 0,
      })),
    );
    const rank = (at: number) => {
      // Who cannot be measured while the disk is full is the first to be suspected.
      if (held[at]?.isAll === false) return Number.POSITIVE_INFINITY;
      return hasNoFiles ? (held[at]?.files ?? 0) : (held[at]?.bytes ?? 0);
    };
    const largest = [...builds.keys()].reduce((best, at) => (rank(at) > rank(best) ? at : best), 0);
    const build = builds[largest];
    // It may have ended by itself meanwhile; then there is more room, or another look.
    if (build === undefined || !this.#builds.has(build)) return undefined;
    const left = hasNoFiles
      ? `had room for only ${files} more files`
      : `had only ${sizeText(bytes)} left`;
    const own = `the build held ${sizeText(held[largest]?.bytes ?? 0)}`;
    const most = builds.length > 1 ? ", most of all that ran" : "";
    build.onHit({ kind: "disk", message: `ended while the slave's disk ${left}; ${own}${most}` });
    return build.folder;
  }

  /** Settles when the folder is gone, or nobody waits for it. */
  async #givenBack(folder: string): Promise<void> {
    const endAt = performance.now() + GIVEN_BACK_WITHIN_MS;
    while (this.#builds.size > 0 && performance.now() < endAt) {
      if ((await lstat(folder).catch(() => undefined)) === undefined) return;
      await delay(LEFT_LOOK_MS);
    }
  }
}

async function leftOn(folder: string): Promise<{ bytes: number; files: number | undefined }> {
  const disk = await statfs(folder);
  return { bytes: disk.bavail * disk.bsize, files: disk.files > 0 ? disk.ffree : undefined };
}

function folderLook(folder: string, limits: ResourceLimits): () => Promise<LimitHit | undefined> {
  const limit = limitText("disk", limits) ?? "";
  const most = limits.diskBytes ?? Number.POSITIVE_INFINITY;
  let hidden = 0;
  return async () => {
    let { bytes, isAll } = await measureFolder(folder);
    if (!isAll) {
      await unlock(folder);
      ({ bytes, isAll } = await measureFolder(folder));
    }
    if (bytes > most) {
      return { kind: "disk", message: `ended at ${limit}: its folder held ${sizeText(bytes)}` };
    }
    hidden = isAll ? 0 : hidden + 1;
    if (hidden < HIDDEN_LOOKS) return undefined;
    return { kind: "disk", message: `ended at ${limit}: it kept its folder from being measured` };
  };
}

const MEASURE_MS = 60_000;
/** Of what du could not read. Beyond it, it is ended, and the folder counts as hidden. */
const COMPLAINTS_BYTES = 16 * 1024 * 1024;
const environment = () => ({ PATH: process.env["PATH"], LC_ALL: "C" });

/** By `du`, which is many times faster than a walk from here; files that went meanwhile are no error to us. */
function measureFolder(folder: string): Promise<{ bytes: number; isAll: boolean }> {
  return new Promise((resolve) => {
    const options = { timeout: MEASURE_MS, env: environment(), maxBuffer: COMPLAINTS_BYTES };
    execFile("du", ["-skx", folder], options, (error, stdout, stderr) => {
      // Otherwise it was ended: a build that renames its files all the time has it complain without end.
      const isWhole = error === null || typeof error.code === "number";
      const bytes = Number(/^(\d+)/.exec(stdout)?.[1] ?? 0) * 1024;
      resolve({ bytes, isAll: isWhole && !/denied/i.test(stderr) });
    });
  });
}

/** 0 where du cannot count them. */
function countFiles(folder: string): Promise<number> {
  return new Promise((resolve) => {
    const options = { timeout: MEASURE_MS, env: environment() };
    execFile("du", ["--inodes", "-sx", folder], options, (_error, stdout) => {
      resolve(Number(/^(\d+)/.exec(stdout)?.[1] ?? 0));
    });
  });
}

/** The slave owns what its builds write: folders that were locked against reading it opens again. */
function unlock(folder: string): Promise<void> {
  const locked = ["-type", "d", "!", "-perm", "-700"];
  // Each is opened before it is gone into.
  const words = [folder, "-xdev", ...locked, "-exec", "chmod", "u+rwx", "{}", ";"];
  return new Promise((resolve) => {
    execFile("find", words, { timeout: MEASURE_MS, env: environment() }, () => {
      resolve();
    });
  });
}
