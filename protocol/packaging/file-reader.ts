/**
 * Reads at places that a hostile file names. Called by the zip reader, for itself and as the source that
 * yauzl reads from: yauzl's own source throws out of a callback, which nobody can catch, when a zip64
 * offset lies beyond 2^53.
 */
import type { FileHandle } from "node:fs/promises";
import { RandomAccessReader } from "yauzl";

/**
 * One read serves many neighbours: a zip of 50,000 small entries would cost 200,000 reads otherwise. And as large as the
 * pieces of large entries, so that all of a file goes through one buffer: a new one for each piece is a lot of garbage.
 */
const BLOCK_BYTES = 256 * 1024;

/** Does not close the handle. One read at a time. */
export class FileReader {
  readonly #handle: FileHandle;
  readonly #memory = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #block: Buffer = Buffer.alloc(0);
  #blockPosition = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * Exactly so many bytes; the buffer is the caller's to read, not to write, and until the next read.
   * @throws Error where the place is not within the file.
   */
  async read(position: number, length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new Error("it points outside the file");
    }
    const start = position - this.#blockPosition;
    if (start >= 0 && start + length <= this.#block.length) {
      return this.#block.subarray(start, start + length);
    }
    // What is there now is overwritten, and half of it after a failure.
    this.#block = Buffer.alloc(0);
    this.#block = await this.#fill(position, length);
    this.#blockPosition = position;
    return this.#block.subarray(0, length);
  }

  async #fill(position: number, length: number): Promise<Buffer> {
    const buffer = length <= BLOCK_BYTES ? this.#memory : Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(
        buffer,
        done,
        buffer.length - done,
        position + done,
      );
      if (bytesRead === 0) throw new Error("it is cut short or points outside the file");
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }
}

/** What yauzl reads from. */
export class ZipSource extends RandomAccessReader {
  /** Rejects where yauzl throws while it takes what was read; race everything asked of yauzl with it. */
  readonly fault: Promise<never>;
  readonly #reader: FileReader;
  #fail: (error: unknown) => void = () => undefined;

  constructor(reader: FileReader) {
    super();
    this.#reader = reader;
    this.fault = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    // A fault after the last race is nobody's.
    this.fault.catch(() => undefined);
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#reader
      .read(position, length)
      .then(
        (bytes) => {
          bytes.copy(buffer, offset);
          callback(null);
        },
        (error: unknown) => {
          callback(error instanceof Error ? error : new Error(String(error)));
        },
      )
      .catch(this.#fail);
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}
