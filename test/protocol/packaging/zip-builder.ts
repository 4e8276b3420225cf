/**
 * Builds zips byte by byte for the wheel tests, honest ones and ones that lie where a test says so.
 * Honest output is checked against Python's zipfile in wheel-archive.test.ts.
 */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipPiece {
  readonly name: string | Buffer;
  readonly data: string | Buffer;
  /** Default: deflated. */
  readonly isStored?: boolean;
  readonly method?: number;
  readonly flags?: number;
  /** What stands in the archive in place of the compressed data. */
  readonly packed?: Buffer;
  /** What both headers declare. */
  readonly sizeBytes?: number;
  readonly crc?: number;
  /** What the local header alone declares. */
  readonly localName?: string;
  readonly localSizeBytes?: number;
  readonly localMethod?: number;
  readonly localFlags?: number;
  readonly localCrc?: number;
  /** The compressed size that both headers declare. */
  readonly packedSizeBytes?: number;
  readonly mode?: number;
  readonly extra?: Buffer;
  /** Where the directory says that the local header is. */
  readonly offset?: number;
}

export interface ZipLies {
  readonly prefix?: Buffer;
  readonly trailer?: Buffer;
  readonly entryCount?: number;
  readonly directorySize?: number;
  readonly directoryOffset?: number;
  /** Adds a zip64 end record; so do the two below. */
  readonly hasZip64?: boolean;
  /** What the zip64 end record says of the directory's place. */
  readonly zip64Offset?: bigint;
  /** What the zip64 locator says of the end record's place. */
  readonly zip64EndOffset?: bigint;
}

export function buildZip(pieces: readonly ZipPiece[], lies: ZipLies = {}): Buffer {
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const write = (chunk: Buffer) => {
    chunks.push(chunk);
    at += chunk.length;
  };
  write(lies.prefix ?? Buffer.alloc(0));
  for (const piece of pieces) {
    const data = Buffer.from(piece.data);
    const name = Buffer.from(piece.name);
    const method = piece.method ?? (piece.isStored === true ? 0 : 8);
    const packed = piece.packed ?? (method === 0 ? data : deflateRawSync(data));
    const offset = piece.offset ?? at;
    const flags = piece.flags ?? (name.some((byte) => byte > 0x7f) ? 0x800 : 0);
    const crc = piece.crc ?? crc32(data);
    const sizeBytes = piece.sizeBytes ?? data.length;
    const fields = (size: number, nameBytes: Buffer) => {
      const common = Buffer.alloc(26);
      common.writeUInt16LE(20, 0);
      common.writeUInt16LE(flags, 2);
      common.writeUInt16LE(method, 4);
      common.writeUInt32LE(crc, 10);
      common.writeUInt32LE(piece.packedSizeBytes ?? packed.length, 14);
      common.writeUInt32LE(size, 18);
      common.writeUInt16LE(nameBytes.length, 22);
      common.writeUInt16LE(piece.extra?.length ?? 0, 24);
      return common;
    };
    const localName = Buffer.from(piece.localName ?? name);
    const extra = piece.extra ?? Buffer.alloc(0);
    write(Buffer.from("PK\x03\x04", "latin1"));
    const local = fields(piece.localSizeBytes ?? sizeBytes, localName);
    local.writeUInt16LE(piece.localFlags ?? flags, 2);
    local.writeUInt16LE(piece.localMethod ?? method, 4);
    local.writeUInt32LE(piece.localCrc ?? crc, 10);
    write(local);
    write(Buffer.concat([localName, extra, packed]));
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((piece.mode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.from("PK\x01\x02\x14\x03", "latin1"),
      fields(sizeBytes, name),
      tail,
      name,
      extra,
    );
  }
  const directoryBytes = Buffer.concat(directory);
  const directoryOffset = at;
  write(directoryBytes);
  if (
    lies.hasZip64 === true ||
    lies.zip64Offset !== undefined ||
    lies.zip64EndOffset !== undefined
  ) {
    const end64 = Buffer.alloc(56);
    end64.write("PK\x06\x06", 0, "latin1");
    end64.writeBigUInt64LE(44n, 4);
    end64.writeBigUInt64LE(BigInt(pieces.length), 24);
    end64.writeBigUInt64LE(BigInt(lies.entryCount ?? pieces.length), 32);
    end64.writeBigUInt64LE(BigInt(directoryBytes.length), 40);
    end64.writeBigUInt64LE(lies.zip64Offset ?? BigInt(directoryOffset), 48);
    const locator = Buffer.alloc(20);
    locator.write("PK\x06\x07", 0, "latin1");
    locator.writeBigUInt64LE(lies.zip64EndOffset ?? BigInt(at), 8);
    locator.writeUInt32LE(1, 16);
    write(end64);
    write(locator);
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE((lies.entryCount ?? pieces.length) & 0xffff, 8);
  end.writeUInt16LE((lies.entryCount ?? pieces.length) & 0xffff, 10);
  end.writeUInt32LE(lies.directorySize ?? directoryBytes.length, 12);
  end.writeUInt32LE(lies.directoryOffset ?? directoryOffset, 16);
  write(end);
  write(lies.trailer ?? Buffer.alloc(0));
  return Buffer.concat(chunks);
}
