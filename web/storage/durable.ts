/**
 * Makes files and folders that were just written survive a power cut. Runs in the page thread, where it may wait.
 *
 * A few are synced one by one. Of many, each sync would wait for the disk by itself: the file system is synced once
 * for all of them, by coreutils' `sync -f` (syncfs), which Node.js has no call for. Where that is not to be had, one
 * by one it is.
 */
import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { systemCode } from "./disk.ts";

/** So few are synced sooner by themselves than with whatever else the file system has to write. */
const FEW = 8;
/** Tried once, when nothing depends on it: later a failure is the disk's, and is told once only. */
let canSyncWhole: boolean | undefined;

/** @param paths all on one file system; of those that are gone meanwhile nothing is to be kept */
export function makeDurable(paths: readonly string[]): void {
  const [first] = paths;
  if (first === undefined) return;
  if (paths.length > FEW) {
    const folder = dirname(first);
    canSyncWhole ??= syncWhole(folder) === undefined;
    if (canSyncWhole) {
      const failure = syncWhole(folder);
      if (failure !== undefined) throw failure;
      return;
    }
  }
  for (const path of paths) syncOne(path);
}

/** @returns what went wrong */
function syncWhole(folder: string): Error | undefined {
  const { status, stderr, error } = spawnSync("sync", ["-f", folder], {
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (error !== undefined) return error;
  if (status === 0) return undefined;
  const said = stderr.trim().slice(0, 300);
  const code = /no space left|quota/i.test(said) ? "ENOSPC" : "EIO";
  return Object.assign(new Error(`the file system could not be synced: ${said}`), { code });
}

function syncOne(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return;
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
