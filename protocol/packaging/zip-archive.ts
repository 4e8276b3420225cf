/**
 * A zip that nobody vouches for, read within bounds. Called by the wheel check. Each entry is unpacked as
 * a stream, of which at most the declared size is taken. It never writes a file.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { FileReader } from "./file-reader.ts";
import { WheelError } from "./wheel-error.ts";
import {
  readZipDirectory,
  throwIfAborted,
  type ZipEntry,
  type ZipLimits,
} from "./zip-directory.ts";

const CHUNK_BYTES = 256 * 1024;
/** Entries up to this size are unpacked at one go: some milliseconds, and a stream costs more than they do. */
const MAX_SMALL_BYTES = 1024 * 1024;

/** Open until `close`, after an error too. One entry at a time. */
export class ZipArchive {
  readonly entries: readonly ZipEntry[];
  readonly #handle: FileHandle;
  readonly #reader: FileReader;
  readonly #signal: AbortSignal | undefined;

  constructor(
    handle: FileHandle,
    reader: FileReader,
    entries: readonly ZipEntry[],
    signal: AbortSignal | undefined,
  ) {
    this.#handle = handle;
    this.#reader = reader;
    this.entries = entries;
    this.#signal = signal;
  }

  /**
   * Hands the entry's unpacked bytes to `take`, piece by piece, and checks their number and CRC. A piece is there only as
   * long as `take` runs: the next one may be read into the same memory.
   * @throws WheelError `bad-entry-data` or `aborted`, and what `take` throws as a WheelError.
   */
  async unpack(entry: ZipEntry, take: (piece: Buffer) => void): Promise<void> {
    let sizeBytes = 0;
    let checksum = 0;
    const consume = (piece: Buffer) => {
      sizeBytes += piece.length;
      if (sizeBytes > entry.sizeBytes) throw lies(entry, "holds more than it declares");
      checksum = crc32(piece, checksum);
      take(piece);
    };
    try {
      const largest = Math.max(entry.sizeBytes, entry.compressedSizeBytes);
      if (!entry.isDeflated) for await (const piece of this.#raw(entry)) consume(piece);
      else if (largest <= MAX_SMALL_BYTES) consume(await this.#inflateSmall(entry));
      else await this.#inflate(entry, consume);
    } catch (error) {
      if (error instanceof WheelError) throw error;
      throwIfAborted(this.#signal);
      throwIfSystemError(error);
      // A pipeline whose end throws says only that it was aborted.
      const holdsMore = sizeBytes > entry.sizeBytes || isTooLarge(error);
      if (holdsMore) throw lies(entry, "holds more than it declares", error);
      throw lies(entry, `cannot be unpacked (${textOf(error)})`, error);
    }
    if (sizeBytes < entry.sizeBytes) throw lies(entry, "holds less than it declares");
    if (checksum !== entry.crc32) throw lies(entry, "does not have the checksum that it declares");
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #inflate(entry: ZipEntry, consume: (piece: Buffer) => void): Promise<void> {
    const inflate = createInflateRaw();
    await pipeline(
      Readable.from(this.#ownPieces(entry), { objectMode: false }),
      inflate,
      async (pieces: AsyncIterable<Buffer>) => {
        for await (const piece of pieces) consume(piece);
      },
    );
    checkConsumed(inflate.bytesWritten, entry);
  }

  async #inflateSmall(entry: ZipEntry): Promise<Buffer> {
    throwIfAborted(this.#signal);
    const packed = await this.#reader.read(entry.dataOffset, entry.compressedSizeBytes);
    // One byte more than declared, so that a lie shows as such. The types do not know what `info` adds.
    const options = { info: true, maxOutputLength: entry.sizeBytes + 1 };
    const { buffer, engine } = inflateRawSync(packed, options) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    checkConsumed(engine.bytesWritten, entry);
    return buffer;
  }

  /** For who reads ahead: pieces that stay as they are. */
  async *#ownPieces(entry: ZipEntry): AsyncGenerator<Buffer> {
    for await (const piece of this.#raw(entry)) yield Buffer.from(piece);
  }

  async *#raw(entry: ZipEntry): AsyncGenerator<Buffer> {
    let done = 0;
    while (done < entry.compressedSizeBytes) {
      throwIfAborted(this.#signal);
      const length = Math.min(CHUNK_BYTES, entry.compressedSizeBytes - done);
      yield await this.#reader.read(entry.dataOffset + done, length);
      done += length;
    }
  }
}

/**
 * Opens a zip and checks its directory; the caller closes it.
 * @throws WheelError and nothing else; the file is closed then.
 */
export async function openZip(path: string, limits: ZipLimits): Promise<ZipArchive> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK a named pipe would hold the call until someone writes to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new WheelError("unreadable", `the file cannot be opened: ${textOf(cause)}`, { cause });
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new WheelError("unreadable", "it is not a regular file");
    const reader = new FileReader(handle);
    const entries = await readZipDirectory(reader, stats.size, limits);
    return new ZipArchive(handle, reader, entries, limits.signal);
  } catch (cause) {
    await handle.close().catch(() => undefined);
    if (cause instanceof WheelError) throw cause;
    throwIfSystemError(cause);
    throw new WheelError("bad-zip", `it is no readable zip: ${textOf(cause)}`, { cause });
  }
}

function checkConsumed(bytes: number, entry: ZipEntry): void {
  if (bytes !== entry.compressedSizeBytes)
    throw lies(entry, "has bytes behind its compressed data");
}

const lies = (entry: ZipEntry, what: string, cause?: unknown) =>
  new WheelError("bad-entry-data", `entry ${JSON.stringify(entry.name)} ${what}; build it again`, {
    cause,
  });

/** Node's word for more than `maxOutputLength`. */
const isTooLarge = (error: unknown) =>
  error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";

/** A disk that fails is not the wheel's fault. */
function throwIfSystemError(cause: unknown): void {
  if (!(cause instanceof Error) || !("syscall" in cause)) return;
  throw new WheelError("unreadable", `the file cannot be read: ${cause.message}`, { cause });
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
