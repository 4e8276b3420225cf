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

/** What may be appended before it is on its way to the disk. */
const SYNC_BEHIND_BYTES = 16 * 1024 * 1024;

export class LocalStagedFile implements StagedFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  #hash = createHash("sha256");
  #lengthBytes = 0;
  #isOpen = true;
  #unsyncedBytes = 0;
  #isSyncing = false;
  #syncFailure: { readonly error: unknown } | undefined;
  /** The sync that runs beside the appends. */
  #behind: Promise<void> = Promise.resolve();
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
      const before = this.#hash.copy();
      try {
        // The disk takes the bytes while they are hashed here.
        const written = writeAt(this.#handle, bytes, this.#lengthBytes);
        this.#hash.update(bytes);
        await written;
      } catch (error) {
        this.#hash = before;
        // Half a chunk must not count as arrived. Where even this fails, the length at the end tells.
        await this.#handle.truncate(this.#lengthBytes).catch(() => undefined);
        throw error;
      }
      this.#lengthBytes += bytes.length;
      this.#unsyncedBytes += bytes.length;
      if (this.#unsyncedBytes >= SYNC_BEHIND_BYTES) this.#syncBehind();
    });
  }

  sync(): Promise<void> {
    return this.#do(async () => {
      await this.#behind;
      if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
      try {
        await this.#handle.datasync();
      } catch (error) {
        await this.#distrust(error);
        throw error;
      }
    });
  }

  reset(): Promise<void> {
    return this.#do(async () => {
      await this.#handle.truncate(0);
      this.#hash = createHash("sha256");
      this.#lengthBytes = 0;
    });
  }

  /**
   * Closes it. The hash of what is in it, or undefined where the file is not as long as what was appended:
   * then it has to be read.
   */
  async finish(): Promise<string | undefined> {
    if (!this.#isOpen) {
      await this.close();
      return undefined;
    }
    try {
      return await this.#do(async () => {
        await this.#behind;
        if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
        const isAsLong = (await this.#handle.stat()).size === this.#lengthBytes;
        return isAsLong ? this.sha256() : undefined;
      });
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return this.#work;
    this.#isOpen = false;
    this.#work = this.#work.then(() => this.#behind).then(() => this.#handle.close());
    await this.#work;
  }

  /**
   * So that little is left to sync at the end of a large file. The system tells of a failed write once only: what
   * arrived is then not to be trusted, though it can still be read.
   */
  #syncBehind(): void {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    this.#unsyncedBytes = 0;
    this.#behind = this.#handle
      .datasync()
      .catch((error: unknown) => this.#distrust(error))
      .finally(() => {
        this.#isSyncing = false;
      });
  }

  async #distrust(error: unknown): Promise<void> {
    this.#syncFailure = { error };
    await this.#handle.truncate(0).catch(() => undefined);
  }

  #do<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isOpen) {
      return Promise.reject(new StorageError("failed", `${this.#path} is no longer open here`));
    }
    const result = this.#work.then(() =>
      inStorageWords(`staging ${this.#path}`, async () => {
        if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
        return await work();
      }),
    );
    this.#work = result.then(
      () => undefined,
      () => undefined,
    );
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
