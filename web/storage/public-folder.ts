/**
 * The public files of a local output folder, for reading: what the HTTP server stands on. Needs no
 * rights to write and may run in another process than the storage. A file is opened once and read
 * through that handle, so that its length, its validator and its bytes belong together even when
 * the page is replaced meanwhile.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isPublicKey } from "../public-key.ts";
import type { ByteRange, PublicFile, PublicFiles } from "./contract.ts";
import { inStorageWords, systemCode } from "./disk.ts";

export function openPublicFolder(outputPath: string): PublicFiles {
  return {
    open: (key) => inStorageWords(`opening ${key}`, () => findPublicFile(outputPath, key)),
  };
}

async function findPublicFile(outputPath: string, key: string): Promise<PublicFile | undefined> {
  if (!isPublicKey(key)) return undefined;
  const handle = await findHandle(join(outputPath, key));
  if (handle === undefined) return undefined;
  try {
    const { size, mtimeNs, ino } = await handle.stat({ bigint: true }).then((stat) => {
      if (stat.isFile()) return stat;
      return { size: -1n, mtimeNs: 0n, ino: 0n };
    });
    if (size >= 0n) return new LocalPublicFile(handle, size, mtimeNs, ino);
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

async function findHandle(path: string): Promise<FileHandle | undefined> {
  try {
    // Without O_NONBLOCK a named pipe that somebody put there would hold a thread for ever.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR", "ENXIO", "ELOOP"].includes(systemCode(error))) {
      return undefined;
    }
    throw error;
  }
}

class LocalPublicFile implements PublicFile {
  readonly #handle: FileHandle;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly version: string;

  constructor(handle: FileHandle, size: bigint, mtimeNs: bigint, ino: bigint) {
    this.#handle = handle;
    this.sizeBytes = Number(size);
    this.modifiedAt = new Date(Number(mtimeNs / 1_000_000n));
    // A replaced page is another file: the inode tells two pages of one instant and size apart.
    this.version = [size, mtimeNs, ino].map((part) => part.toString(36)).join("-");
  }

  read(range?: ByteRange): Readable {
    return this.#handle.createReadStream({ autoClose: true, ...range });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
