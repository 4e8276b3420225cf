/**
 * The last part of a stream on disk: a file that is written round and round, and says in its head what it
 * holds, so that it can be read after the process that wrote it was killed. The build log keeps its last lines
 * in one. Calls must not overlap. It promises nothing across a crash of the machine.
 *
 *     size, start, end (8 bytes each)   the byte at position p lies at 24 + p modulo size
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const HEAD_BYTES = 24;

export class RingFile {
  readonly #file: FileHandle;
  readonly #sizeBytes: number;
  #start: number;
  #end: number;

  private constructor(file: FileHandle, sizeBytes: number, start: number, end: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#start = start;
    this.#end = end;
  }

  /** A new one, which will hold what comes from a position on. */
  static async create(path: string, sizeBytes: number, position: number): Promise<RingFile> {
    return new RingFile(await open(path, "w+", 0o600), sizeBytes, position, position);
  }

  /** One that was left behind; undefined where there is none that could be read. */
  static async find(path: string): Promise<RingFile | undefined> {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch {
      return undefined;
    }
    const head = await readAt(file, 0, HEAD_BYTES);
    const { size } = await file.stat();
    if (head.length === HEAD_BYTES) {
      const [sizeBytes = 0, start = 0, end = 0] = [0, 8, 16].map((at) =>
        Number(head.readBigUInt64LE(at)),
      );
      const isPossible = sizeBytes > 0 && start <= end && end - start <= sizeBytes;
      if (isPossible && Number.isSafeInteger(end) && size <= HEAD_BYTES + sizeBytes)
        return new RingFile(file, sizeBytes, start, end);
    }
    await file.close();
    return undefined;
  }

  /** Position of the oldest byte that it holds. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Takes what comes next. From a position beyond its end: what it held is forgotten. */
  async write(position: number, bytes: Buffer): Promise<void> {
    const size = this.#sizeBytes;
    const kept = bytes.subarray(Math.max(0, bytes.length - size));
    const from = position + bytes.length - kept.length;
    const upToEdge = Math.min(kept.length, size - (from % size));
    const end = position + bytes.length;
    const start = Math.max(position > this.#end ? position : this.#start, end - size);
    // First what is overwritten is given up: a kill in between costs old bytes, and invents none.
    await this.#sayHeld(start, Math.max(start, this.#end));
    await writeAt(this.#file, HEAD_BYTES + (from % size), kept.subarray(0, upToEdge));
    await writeAt(this.#file, HEAD_BYTES, kept.subarray(upToEdge));
    await this.#sayHeld(start, end);
    this.#start = start;
    this.#end = end;
  }

  /** What it holds between two positions. */
  async read(from: number, to: number): Promise<Buffer<ArrayBuffer>> {
    const start = Math.max(from, this.#start);
    const length = Math.min(to, this.#end) - start;
    if (length <= 0) return Buffer.alloc(0);
    const at = start % this.#sizeBytes;
    const upToEdge = Math.min(length, this.#sizeBytes - at);
    return Buffer.concat([
      await readAt(this.#file, HEAD_BYTES + at, upToEdge),
      await readAt(this.#file, HEAD_BYTES, length - upToEdge),
    ]);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #sayHeld(start: number, end: number): Promise<void> {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeBigUInt64LE(BigInt(this.#sizeBytes), 0);
    head.writeBigUInt64LE(BigInt(start), 8);
    head.writeBigUInt64LE(BigInt(end), 16);
    await writeAt(this.#file, 0, head);
  }
}

/** Less than was asked for where the file ends. */
export async function readAt(
  file: FileHandle,
  offset: number,
  lengthBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const part = Buffer.allocUnsafe(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const { bytesRead } = await file.read(part, filled, lengthBytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return part.subarray(0, filled);
}

export async function writeAt(file: FileHandle, offset: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}
