/**
 * Writing so that it is still there after the power went. Called by the outbox and the folder lock;
 * the order of the steps is theirs.
 */
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Syncs a file's data, or a folder's list of names. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file as a whole: a reader, also one after a crash, sees the old text or the new one. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await sync(dirname(path));
}
