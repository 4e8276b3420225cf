/**
 * Who a slave is across its restarts, where no key says so, and which of several slaves with one key. Made
 * once for each folder and kept in it. Called by tree.ts under the folder's lock.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "./durable-file.ts";

/** A uuid; a new one when the file is missing or was written by nobody we know. */
export async function folderIdentity(folder: string): Promise<string> {
  const path = join(folder, "identity");
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(known)) return known;
  const fresh = randomUUID();
  await writeDurably(path, `${fresh}\n`);
  return fresh;
}
