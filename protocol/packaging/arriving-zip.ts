/**
 * A zip read from its beginning while it still arrives: what its larger entries hold, so that the check of the whole need
 * not unpack them again. It learns only from local headers, which nobody vouches for: what was seen is worth
 * something where the directory, which comes last, says the same. Called by the thread that reads behind transfers.
 */
import { createHash } from "node:crypto";
import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";

/** One entry whose local header, size and checksum agree. */
export interface SeenEntry {
  readonly dataOffset: number;
  readonly compressedSizeBytes: number;
  readonly sizeBytes: number;
  readonly isDeflated: boolean;
  readonly crc32: number;
  /** Of the contents, in hexadecimal. */
  readonly sha256: string;
  /** The first bytes of the contents, up to 4, in hexadecimal. */
  readonly start: string;
}

const SIGNATURE = 0x04034b50;
const HEADER_BYTES = 30;
const FLAG_ENCRYPTED = 0x1;
const FLAG_DESCRIPTOR = 0x8;
const ZIP64 = 0xffffffff;
const START_BYTES = 4;
/** Smaller ones are unpacked again sooner than they are remembered. */
const SMALLEST_BYTES = 64 * 1024;
/** Beyond these the rest is left to the check: local headers may be of entries that no directory names. */
const MOST_ENTRIES = 50_000;
const MOST_UNPACKED = { entries: 5_000, bytes: 2 * 1024 ** 3 };

export class ArrivingZip {
  readonly seen: SeenEntry[] = [];
  #isOver = false;
  #offset = 0;
  /** Of a header that is not whole yet. */
  #header: Buffer = Buffer.alloc(0);
  /** Of the name and extra field. */
  #toSkip = 0;
  #dataLeft = 0;
  #entries = 0;
  readonly #unpacked = { entries: 0, bytes: 0 };
  #entry: UnpackedEntry | undefined;

  /** Nothing more is to be learned: the directory has begun, or an entry whose end its header does not tell. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next bytes. They are not kept. Never rejects. One call at a time. */
  async take(piece: Buffer): Promise<void> {
    let rest = piece;
    while (rest.length > 0 && !this.#isOver) {
      const taken = await this.#takeSome(rest);
      this.#offset += taken;
      rest = rest.subarray(taken);
      if (this.#dataLeft === 0 && this.#toSkip === 0) await this.#endEntry();
    }
  }

  /** Lets go of an entry in hand. */
  close(): void {
    this.#isOver = true;
    this.#entry?.drop();
    this.#entry = undefined;
  }

  async #takeSome(rest: Buffer): Promise<number> {
    if (this.#toSkip > 0) {
      const taken = Math.min(this.#toSkip, rest.length);
      this.#toSkip -= taken;
      return taken;
    }
    if (this.#dataLeft > 0) {
      const taken = Math.min(this.#dataLeft, rest.length);
      await this.#entry?.take(rest.subarray(0, taken));
      this.#dataLeft -= taken;
      return taken;
    }
    const taken = Math.min(HEADER_BYTES - this.#header.length, rest.length);
    this.#header = Buffer.concat([this.#header, rest.subarray(0, taken)]);
    if (this.#header.length === HEADER_BYTES) this.#begin(this.#offset + taken);
    return taken;
  }

  #begin(afterOffset: number): void {
    const header = this.#header;
    this.#header = Buffer.alloc(0);
    const flags = header.readUInt16LE(6);
    const method = header.readUInt16LE(8);
    const compressedSizeBytes = header.readUInt32LE(18);
    const sizeBytes = header.readUInt32LE(22);
    this.#isOver =
      header.readUInt32LE(0) !== SIGNATURE ||
      (flags & (FLAG_ENCRYPTED | FLAG_DESCRIPTOR)) !== 0 ||
      (method !== 0 && method !== 8) ||
      compressedSizeBytes === ZIP64 ||
      sizeBytes === ZIP64;
    this.#entries += 1;
    if (this.#entries > MOST_ENTRIES) this.#isOver = true;
    if (this.#isOver) return;
    this.#toSkip = header.readUInt16LE(26) + header.readUInt16LE(28);
    this.#dataLeft = compressedSizeBytes;
    if (sizeBytes < SMALLEST_BYTES) return;
    this.#unpacked.entries += 1;
    this.#unpacked.bytes += sizeBytes;
    const { entries, bytes } = this.#unpacked;
    this.#isOver = entries > MOST_UNPACKED.entries || bytes > MOST_UNPACKED.bytes;
    if (this.#isOver) return;
    this.#entry = new UnpackedEntry({
      dataOffset: afterOffset + this.#toSkip,
      compressedSizeBytes,
      sizeBytes,
      isDeflated: method === 8,
      crc32: header.readUInt32LE(14),
    });
  }

  async #endEntry(): Promise<void> {
    const seen = await this.#entry?.end();
    this.#entry = undefined;
    if (seen !== undefined) this.seen.push(seen);
  }
}

type Declared = Omit<SeenEntry, "sha256" | "start">;

/** Contents as they are unpacked. What does not come to what was declared is dropped, and is then nobody's. */
class UnpackedEntry {
  readonly #declared: Declared;
  readonly #hash = createHash("sha256");
  readonly #inflate: InflateRaw | undefined;
  readonly #start: number[] = [];
  #checksum = 0;
  #sizeBytes = 0;
  #isDropped = false;
  /** Lets go of who waits for the stream: what fails in the middle of a write never calls back. */
  #release: () => void = () => undefined;

  constructor(declared: Declared) {
    this.#declared = declared;
    if (!declared.isDeflated) return;
    this.#inflate = createInflateRaw({ chunkSize: 64 * 1024 });
    this.#inflate.on("data", (piece: Buffer) => this.#consume(piece));
    this.#inflate.on("error", () => this.drop());
    this.#inflate.on("close", () => this.#release());
  }

  async take(packed: Buffer): Promise<void> {
    if (this.#isDropped) return;
    const inflate = this.#inflate;
    if (inflate === undefined) this.#consume(packed);
    else
      await new Promise<void>((resolve) => {
        this.#release = resolve;
        inflate.write(packed, () => resolve());
      });
  }

  async end(): Promise<SeenEntry | undefined> {
    const inflate = this.#inflate;
    if (inflate !== undefined && !this.#isDropped)
      await new Promise<void>((resolve) => {
        this.#release = resolve;
        inflate.once("end", resolve).end();
      });
    const { sizeBytes, crc32: checksum, compressedSizeBytes } = this.#declared;
    const isConsumed = inflate === undefined || inflate.bytesWritten === compressedSizeBytes;
    const isWhole = this.#sizeBytes === sizeBytes && this.#checksum === checksum && isConsumed;
    const isDropped = this.#isDropped;
    this.drop();
    if (isDropped || !isWhole) return undefined;
    const start = Buffer.from(this.#start).toString("hex");
    return { ...this.#declared, sha256: this.#hash.digest("hex"), start };
  }

  drop(): void {
    this.#isDropped = true;
    this.#inflate?.destroy();
  }

  #consume(piece: Buffer): void {
    if (this.#isDropped) return;
    this.#sizeBytes += piece.length;
    if (this.#sizeBytes > this.#declared.sizeBytes) {
      this.drop();
      return;
    }
    if (this.#start.length < START_BYTES)
      this.#start.push(...piece.subarray(0, START_BYTES - this.#start.length));
    this.#hash.update(piece);
    this.#checksum = crc32(piece, this.#checksum);
  }
}
