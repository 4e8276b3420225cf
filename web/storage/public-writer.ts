/**
 * Puts things under public names of a local folder. Everything appears by link or rename of
 * something complete and synced, and the folder is synced after it; so what the database is told
 * afterwards is true after a power cut too.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, rename, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { isPublicKey } from "../public-key.ts";
import { StorageError } from "./contract.ts";
import { findStat, hashFile, isLinked, syncFolder, systemCode, writeNewFile } from "./disk.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

/** How often a folder is made again when a removal takes it away in between. */
const ATTEMPTS = 5;

export class PublicWriter {
  readonly #output: string;
  readonly #temporary: TemporaryFolder;

  constructor(output: string, temporary: TemporaryFolder) {
    this.#output = output;
    this.#temporary = temporary;
  }

  /** Links a blob to its name. @throws StorageError `exists` */
  async linkOnce(key: string, blob: string, sha256: string): Promise<void> {
    const place = this.#placeOf(key);
    await this.#intoFolder(key, async () => {
      // Another file of the same content is fine: a backup restores them as two.
      if (!(await isLinked(blob, place)) && (await hashFile(place)) !== sha256) {
        throw new StorageError("exists", `${key} is published with other contents`);
      }
    });
  }

  /** Whether this content stands under the name. */
  async holds(key: string, sha256: string): Promise<boolean> {
    const place = this.#placeOf(key);
    return (await findStat(place)) !== undefined && (await hashFile(place)) === sha256;
  }

  async compress(key: string, blob: string): Promise<void> {
    const place = this.#placeOf(key);
    await this.#temporary.withName(async (path) => {
      const into = createWriteStream(path, { flags: "wx", flush: true });
      await pipeline(createReadStream(blob), createGzip(), into);
      await chmod(path, 0o644);
      await this.#intoFolder(key, () => rename(path, place));
    });
  }

  async replace(key: string, contents: Uint8Array | string): Promise<void> {
    const place = this.#placeOf(key);
    await this.#temporary.withName(async (path) => {
      await writeNewFile(path, contents);
      await this.#intoFolder(key, () => rename(path, place));
    });
  }

  /** Puts a finished file of the same disk under a name; it was synced. */
  async adopt(key: string, path: string): Promise<void> {
    const place = this.#placeOf(key);
    await this.#intoFolder(key, () => rename(path, place));
  }

  async remove(key: string): Promise<void> {
    const place = this.#placeOf(key);
    try {
      await unlink(place);
    } catch (error) {
      if (!["ENOENT", "ENOTDIR"].includes(systemCode(error))) throw error;
    }
    await this.#removeEmptyFolders(dirname(place));
  }

  #placeOf(key: string): string {
    if (isPublicKey(key)) return join(this.#output, key);
    throw new StorageError("bad-name", `not a public name: ${JSON.stringify(key.slice(0, 300))}`);
  }

  /** Does something that puts an entry into the folder of a key, then makes the entry durable. */
  async #intoFolder(key: string, work: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await work();
        return await syncFolder(dirname(this.#placeOf(key)));
      } catch (error) {
        if (systemCode(error) !== "ENOENT" || attempt === ATTEMPTS) throw error;
        await this.#makeFolders(key);
      }
    }
  }

  /**
   * Folders are readable by the web server's user whatever the umask of this process. One that is
   * there keeps the mode that its owner gave it.
   */
  async #makeFolders(key: string): Promise<void> {
    let folder = this.#output;
    for (const segment of key.split("/").slice(0, -1)) {
      folder = join(folder, segment);
      try {
        await mkdir(folder);
      } catch (error) {
        if (systemCode(error) === "EEXIST") continue;
        throw error;
      }
      await chmod(folder, 0o755);
      await syncFolder(dirname(folder));
    }
  }

  /** Goes up as far as folders are empty, and syncs the first that is not. */
  async #removeEmptyFolders(from: string): Promise<void> {
    let folder = from;
    for (; folder !== this.#output; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (["ENOTEMPTY", "EEXIST"].includes(systemCode(error))) break;
        if (!["ENOENT", "ENOTDIR"].includes(systemCode(error))) throw error;
      }
    }
    await syncFolder(folder);
  }
}
