/**
 * A file that is arriving, on the local disk. States: open, then closed for good (by its owner, or
 * by the storage when someone else opens or commits the same file). Its hash runs along with the
 * appends, so that a transfer ends with the hash known.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type StagedFile, StorageError } from "./contract.ts";
import { inStorageWords, writeAt } from "./disk.ts";

export class LocalStagedFile implements StagedFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  #hash = createHash("sha256");
  #lengthBytes = 0;
  #isOpen = true;
  /** The work in hand: closing waits for it, so that nothing is written after a close. */
  #work: Promise<void> = Promise.resolve();

  /** Opens or creates; the folder must exist. Reads what is there, for the hash. */
  static async open(path: string): Promise<LocalStagedFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      // Its public name will be the same file, which the web server's user has to read.
      await handle.chmod(0o644);
      const file = new LocalStagedFile(handle, path);
      await file.#readWhatIsThere();
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#do(async () => {
      try {
        await writeAt(this.#handle, bytes, this.#lengthBytes);
      } catch (error) {
        // Half a chunk must not count as arrived. Where even this fails, the final hash tells.
        await this.#handle.truncate(this.#lengthBytes).catch(() => undefined);
        throw error;
      }
      this.#hash.update(bytes);
      this.#lengthBytes += bytes.length;
    });
  }

  reset(): Promise<void> {
    return this.#do(async () => {
      await this.#handle.truncate(0);
      this.#hash = createHash("sha256");
      this.#lengthBytes = 0;
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return this.#work;
    this.#isOpen = false;
    this.#work = this.#work.then(() => this.#handle.close());
    await this.#work;
  }

  #do(work: () => Promise<void>): Promise<void> {
    if (!this.#isOpen) {
      return Promise.reject(new StorageError("failed", `${this.#path} is no longer open here`));
    }
    const result = this.#work.then(() => inStorageWords(`staging ${this.#path}`, work));
    this.#work = result.catch(() => undefined);
    return result;
  }

  async #readWhatIsThere(): Promise<void> {
    const buffer = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#lengthBytes);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#lengthBytes += bytesRead;
    }
  }
}
