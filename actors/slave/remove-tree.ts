/**
 * Removes a folder that other people's code has written in. Called for workspaces and spool entries.
 */
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/**
 * Removes a tree, also one whose folders were made read-only (some build tools do that to their caches).
 * A symbolic link is removed, never followed. What is not there is no error.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
    return;
  } catch {
    // Once more, with more means.
  }
  try {
    await openFolders(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  } catch {
    await removeByDescriptors(path);
  }
}

/** The system's own rm goes from folder to folder: there paths may be longer than any that can be named whole. */
async function removeByDescriptors(path: string): Promise<void> {
  await execa("chmod", ["-R", "u+rwX", "--", path], { reject: false, stdio: "ignore" });
  await execa("rm", ["-rf", "--", path], { stdio: ["ignore", "ignore", "pipe"] });
}

async function openFolders(root: string): Promise<void> {
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const status = await lstat(folder).catch(() => undefined);
    if (status?.isDirectory() !== true) continue;
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) folders.push(join(folder, entry.name));
    }
  }
}
