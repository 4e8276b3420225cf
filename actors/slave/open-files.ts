/**
 * Files that are read range by range, open from the first range on: to open one for each costs more than to read it. The few
 * that were read last stay open. Kept by the outbox, whose files do not change once they are there.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** As many as a build of many wheels has under way, and some. */
const MOST_OPEN = 16;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  reads: number;
  /** To be closed with its last read. */
  isLeft: boolean;
}

export class OpenFiles {
  /** By path, the one that was not read for longest first. */
  readonly #files = new Map<string, OpenFile>();

  /**
   * Less than asked for only at the end of the file. Rejects with what the system says, also for a link. The buffer is the
   * caller's, and made for it: whoever sends it does not copy it.
   */
  async read(path: string, offset: number, lengthBytes: number): Promise<Buffer<ArrayBuffer>> {
    const file = this.#take(path);
    try {
      const handle = await file.handle;
      const part = Buffer.allocUnsafeSlow(lengthBytes);
      let filled = 0;
      while (filled < lengthBytes) {
        const { bytesRead } = await handle.read(
          part,
          filled,
          lengthBytes - filled,
          offset + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return part.subarray(0, filled);
    } catch (error) {
      // What cannot be read now may be read another time, or be another file by then.
      this.#leave(path, file);
      throw error;
    } finally {
      file.reads -= 1;
      await closeIfLeft(file);
    }
  }

  /** Closes what lies below a folder, or all; reads in hand go on. */
  async close(folder?: string): Promise<void> {
    for (const [path, file] of [...this.#files])
      if (folder === undefined || path.startsWith(`${folder}/`)) {
        this.#leave(path, file);
        await closeIfLeft(file);
      }
  }

  #take(path: string): OpenFile {
    const known = this.#files.get(path);
    const file = known ?? {
      handle: open(path, constants.O_RDONLY | constants.O_NOFOLLOW),
      reads: 0,
      isLeft: false,
    };
    file.reads += 1;
    this.#files.delete(path);
    this.#files.set(path, file);
    for (const [oldest, other] of this.#files) {
      if (this.#files.size <= MOST_OPEN) break;
      this.#leave(oldest, other);
      void closeIfLeft(other);
    }
    return file;
  }

  #leave(path: string, file: OpenFile): void {
    file.isLeft = true;
    if (this.#files.get(path) === file) this.#files.delete(path);
  }
}

async function closeIfLeft(file: OpenFile): Promise<void> {
  if (!file.isLeft || file.reads > 0) return;
  // Never opened, or closed already: nothing is left to close.
  await file.handle.then((handle) => handle.close()).catch(() => undefined);
}
