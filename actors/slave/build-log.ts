/**
 * The log of one build, bounded: the first part and the last part are kept, and the cut between them is
 * marked. Called by build.ts; fed from the build's output, which it never holds up.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";

/** 10 MB: the longest useful logs are a few of them. */
export const LOG_LIMIT_BYTES = 10_000_000;

export interface FinishedLog {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * What does not fit in the first half of the limit goes into a ring of the other half, so memory stays
 * under the limit however much is written and however slow the disk is.
 *
 * States: open (takes text), finished (on disk, synced). A disk that is full loses text of the log, never
 * the build's result: the first failure is kept and told by `finish`.
 */
export class BuildLog {
  readonly #file: FileHandle;
  readonly #headLimitBytes: number;
  readonly #tailLimitBytes: number;
  #headBytes = 0;
  #written: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #ring: Buffer | undefined;
  #ringBytes = 0;
  #totalTailBytes = 0;
  #finished: Promise<FinishedLog> | undefined;
  readonly #path: string;

  private constructor(path: string, file: FileHandle, limitBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#headLimitBytes = Math.floor(limitBytes / 2);
    this.#tailLimitBytes = limitBytes - this.#headLimitBytes;
  }

  static async create(path: string, limitBytes = LOG_LIMIT_BYTES): Promise<BuildLog> {
    return new BuildLog(path, await open(path, "w", 0o600), limitBytes);
  }

  /** Takes output as it comes. The buffer changes owner. After `finish` it is dropped. */
  write(chunk: Buffer): void {
    if (this.#finished !== undefined || chunk.length === 0) return;
    const room = this.#headLimitBytes - this.#headBytes;
    if (room > 0) {
      const part = chunk.subarray(0, room);
      this.#headBytes += part.length;
      this.#append(part);
    }
    if (chunk.length > room) this.#keepLast(chunk.subarray(Math.max(room, 0)));
  }

  /** A line of the slave's own. */
  note(line: string): void {
    this.write(Buffer.from(`${line}\n`));
  }

  /** What was written last, as text, at most so much of it: where the cause of a failure stands. */
  async readEnd(maxBytes = 512 * 1024): Promise<string> {
    await this.#written;
    const last = this.#last().subarray(-maxBytes);
    const missing = this.#ringBytes === this.#totalTailBytes ? maxBytes - last.length : 0;
    const length = Math.min(missing, this.#headBytes);
    const head = await readPart(this.#path, this.#headBytes - length, length);
    return Buffer.concat([head, last]).toString("utf8");
  }

  /**
   * Ends the log: what was kept is on disk and synced.
   * @throws the first error of writing, e.g. ENOSPC
   */
  finish(): Promise<FinishedLog> {
    this.#finished ??= this.#end();
    return this.#finished;
  }

  async #end(): Promise<FinishedLog> {
    try {
      const cutBytes = this.#totalTailBytes - this.#ringBytes;
      let last = this.#last();
      if (cutBytes > 0) {
        // The ring begins in the middle of a line (and perhaps of a character).
        const newline = last.indexOf(10);
        const partial = newline === -1 ? 0 : newline + 1;
        last = last.subarray(partial);
        this.#append(Buffer.from(`\n[... ${cutBytes + partial} bytes cut here ...]\n`));
      }
      this.#append(last);
      await this.#written;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#file.sync();
    } finally {
      await this.#file.close();
      this.#ring = undefined;
    }
    return { sizeBytes: (await stat(this.#path)).size, sha256: await hashOf(this.#path) };
  }

  #append(part: Buffer): void {
    if (part.length === 0) return;
    this.#written = this.#written
      .then(() => (this.#failure === undefined ? this.#file.writeFile(part) : undefined))
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      });
  }

  #keepLast(part: Buffer): void {
    this.#ring ??= Buffer.allocUnsafe(this.#tailLimitBytes);
    const kept = part.subarray(Math.max(0, part.length - this.#tailLimitBytes));
    const at = (this.#totalTailBytes + part.length - kept.length) % this.#tailLimitBytes;
    const upToEnd = kept.copy(this.#ring, at);
    if (upToEnd < kept.length) kept.copy(this.#ring, 0, upToEnd);
    this.#totalTailBytes += part.length;
    this.#ringBytes = Math.min(this.#totalTailBytes, this.#tailLimitBytes);
  }

  #last(): Buffer {
    if (this.#ring === undefined) return Buffer.alloc(0);
    if (this.#totalTailBytes <= this.#tailLimitBytes)
      return this.#ring.subarray(0, this.#ringBytes);
    const at = this.#totalTailBytes % this.#tailLimitBytes;
    return Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}

/** SHA-256 of a file in hexadecimal, read as a stream. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function readPart(path: string, offset: number, lengthBytes: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(lengthBytes),
      0,
      lengthBytes,
      offset,
    );
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
