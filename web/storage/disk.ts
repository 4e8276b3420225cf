/**
 * The few things that the storage asks of a disk: synced writes, links, hashes of whole
 * files, and errors in the storage's words.
 */
import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { type FileHandle, link, open, readdir, stat } from "node:fs/promises";
import { StorageError } from "./contract.ts";

/** The code of a system error (`ENOENT`), "" for anything else. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}

/** What a system error means to the storage's callers. A StorageError stays what it is. */
export function storageErrorFrom(error: unknown, doing: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = systemCode(error);
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new StorageError(
    isFull ? "full" : "failed",
    isFull ? `no room left on the output disk (${doing})` : `${doing}: ${describe(error)}`,
    { cause: error },
  );
}

const describe = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Runs one storage operation so that it fails with a StorageError only. */
export async function inStorageWords<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageErrorFrom(error, doing);
  }
}

/** Makes the entries of a folder durable: a rename or link survives a power cut only after this. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates a file with this content, readable by all and synced. It must not exist yet. */
export async function writeNewFile(path: string, contents: Uint8Array | string): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.chmod(0o644);
    await handle.writeFile(contents);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** SHA-256 of a file, in small steps: the event loop is never held for more than one of them. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

/** Writes all of the bytes at an offset; the system may take them in several bites. */
export async function writeAt(
  handle: FileHandle,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

/** Undefined where nothing is. */
export async function findStat(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return undefined;
    throw error;
  }
}

/** The entries of a folder; none where there is no folder. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return [];
    throw error;
  }
}

/** Links a file to one more name. False when another file has that name. */
export async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    const [source, target] = await Promise.all([findStat(from), findStat(to)]);
    return source !== undefined && source.ino === target?.ino && source.dev === target.dev;
  }
}

/** As much as there is, up to the buffer's length: the system may give it in several bites. */
export async function readFully(
  handle: FileHandle,
  buffer: Buffer,
  offset: number,
): Promise<Buffer> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}
