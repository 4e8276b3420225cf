/**
 * Parts of pages that are joined from them: a page of many megabytes that changes in one place is put
 * together from what lies on disk. Parts lie in `.store/parts/`, out of readers' sight. Reached through the
 * storage contract.
 */
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type PagePart, type PageStretch, StorageError } from "./contract.ts";
import { namesIn, readFully, syncFolder, systemCode, writeNewFile } from "./disk.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

const namePattern = /^[a-z][a-z0-9-]{0,99}$/;

export class PartFolder {
  readonly #folder: string;
  readonly #temporary: TemporaryFolder;

  constructor(folder: string, temporary: TemporaryFolder) {
    this.#folder = folder;
    this.#temporary = temporary;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** The disk syncs them at the same time, and their folder once. */
  async write(parts: readonly PagePart[]): Promise<void> {
    if (parts.length === 0) return;
    const places = parts.map(({ name }) => this.#placeOf(name));
    await this.#temporary.withNames(async (newName) => {
      const written = await Promise.allSettled(
        parts.map(async ({ contents }, at) => {
          const path = newName();
          await writeNewFile(path, contents);
          await rename(path, places[at] ?? "");
        }),
      );
      // Only now, when none is still at work under the temporary names.
      for (const one of written) if (one.status === "rejected") throw one.reason;
      await syncFolder(this.#folder);
    });
  }

  async find(name: string): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#placeOf(name));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  list(): Promise<string[]> {
    return namesIn(this.#folder);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#placeOf(name), { force: true });
  }

  /**
   * The bytes of stretches, one after the other. What is yielded is good until the next is asked for: memory that is
   * taken anew for each part has to be collected again.
   * @throws StorageError `missing` for a part that is gone or too short
   */
  async *read(stretches: readonly PageStretch[]): AsyncGenerator<Uint8Array> {
    let memory = Buffer.alloc(0);
    for (const stretch of stretches) {
      if (stretch instanceof Uint8Array) {
        yield stretch;
        continue;
      }
      const { part, start, end } = stretch;
      if (memory.length < end - start) memory = Buffer.allocUnsafeSlow(end - start);
      const bytes = memory.subarray(0, end - start);
      const handle = await this.#open(part);
      try {
        if ((await readFully(handle, bytes, start)).length < bytes.length) throw missing(part);
      } finally {
        await handle.close();
      }
      yield bytes;
    }
  }

  async #open(name: string): Promise<FileHandle> {
    try {
      return await open(this.#placeOf(name), "r");
    } catch (error) {
      if (systemCode(error) === "ENOENT") throw missing(name);
      throw error;
    }
  }

  #placeOf(name: string): string {
    if (namePattern.test(name)) return join(this.#folder, name);
    throw new StorageError(
      "bad-name",
      `not the name of a part: ${JSON.stringify(name.slice(0, 300))}`,
    );
  }
}

const missing = (part: string): StorageError =>
  new StorageError("missing", `the part ${part} of a page is gone or too short`);
