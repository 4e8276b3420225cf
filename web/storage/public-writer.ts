/**
 * Puts blobs under public names of a local folder: wheels, their metadata, logs. Everything appears by
 * link or rename of something complete and synced, and the folder is synced after it; so what the
 * database is told afterwards is true after a power cut too. Pages are the `PageWriter`'s.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, rename } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { StorageError } from "./contract.ts";
import { findStat, hashFile, isLinked } from "./disk.ts";
import type { PublicPlaces } from "./public-places.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

export class PublicWriter {
  readonly #places: PublicPlaces;
  readonly #temporary: TemporaryFolder;

  constructor(places: PublicPlaces, temporary: TemporaryFolder) {
    this.#places = places;
    this.#temporary = temporary;
  }

  /** Links a blob to its name. @throws StorageError `exists` */
  async linkOnce(key: string, blob: string, sha256: string): Promise<void> {
    const place = this.#places.of(key);
    await this.#places.putInto(key, async () => {
      // Another file of the same content is fine: a backup restores them as two.
      if (!(await isLinked(blob, place)) && (await hashFile(place)) !== sha256) {
        throw new StorageError("exists", `${key} is published with other contents`);
      }
    });
  }

  /** Whether this content stands under the name. */
  async holds(key: string, sha256: string): Promise<boolean> {
    const place = this.#places.of(key);
    return (await findStat(place)) !== undefined && (await hashFile(place)) === sha256;
  }

  async compress(key: string, blob: string): Promise<void> {
    const place = this.#places.of(key);
    await this.#temporary.withName(async (path) => {
      const into = createWriteStream(path, { flags: "wx", flush: true });
      await pipeline(createReadStream(blob), createGzip(), into);
      await chmod(path, 0o644);
      await this.#places.putInto(key, () => rename(path, place));
    });
  }
}
