/**
 * Makes files and folders that were just written survive a power cut. Runs in the page thread, where it may wait.
 *
 * A few are synced one by one. Of many, each sync would wait for the disk by itself: the file system is synced once
 * for all of them, by coreutils' `sync -f` (syncfs), which Node.js has no call for. Where that is not to be had, one
 * by one it is: elsewhere than on Linux `sync` comes back before the disk has all.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { systemCode } from "./disk.ts";

/** So few are synced sooner by themselves than with whatever else the file system has to write. */
const FEW = 8;
/** Tried once, when nothing depends on it: later a failure is the disk's, and is told once only. */
let canSyncWhole: boolean | undefined;

/** @param paths all on one file system; of those that are gone meanwhile nothing is to be kept */
export function makeDurable(paths: readonly string[]): void {
  const [first] = paths;
  if (first === undefined) return;
  if (paths.length > FEW && process.platform === "linux") {
    canSyncWhole ??= syncWhole(first) === undefined;
    if (canSyncWhole) {
      const failure = syncWhole(first);
      if (failure === undefined) return;
      // It was told to end, or there is nothing by that name any more: that says nothing of the disk.
      if (failure !== "ended" && existsSync(first)) throw failure;
    }
  }
  for (const path of paths) syncOne(path);
}

/** @returns what went wrong; `ended` where a signal to all of the process's group ended it */
function syncWhole(path: string): Error | "ended" | undefined {
  const { status, signal, stderr, error } = spawnSync("sync", ["-f", path], {
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (error !== undefined) return error;
  if (status === 0) return undefined;
  if (signal !== null) return "ended";
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
