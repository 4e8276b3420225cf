/**
 * Gzip in pieces that are compressed apart and joined by copying. Not as members one after the other:
 * browsers read the first and stop. A piece is deflated by itself up to a byte boundary, and so refers to
 * nothing before it; any sequence of pieces is the body of one member (RFC 1951, 3.2.4), whose checksum
 * follows from theirs. Called by root-index.ts.
 */
import { promisify } from "node:util";
import { constants, crc32, deflateRaw } from "node:zlib";

const deflate = promisify(deflateRaw);

/** What has to be known of a piece to join it. */
export interface PieceFacts {
  readonly sizeBytes: number;
  readonly crc: number;
  readonly deflatedBytes: number;
}

export interface Piece extends PieceFacts {
  readonly bytes: Buffer;
  readonly deflated: Buffer;
}

/** Compresses beside the event loop. */
export async function makePiece(text: string): Promise<Piece> {
  const bytes = Buffer.from(text);
  const deflated =
    bytes.length === 0
      ? Buffer.alloc(0)
      : await deflate(bytes, { level: 6, finishFlush: constants.Z_SYNC_FLUSH });
  return {
    bytes,
    deflated,
    sizeBytes: bytes.length,
    crc: crc32(bytes),
    deflatedBytes: deflated.length,
  };
}

/** Deflate, no name, no time, of an unknown system (RFC 1952, 2.3). */
export const gzipStart = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** A last block without contents, the checksum and the length of all that stands before it. */
export function gzipEnd(pieces: readonly PieceFacts[]): Buffer {
  let [crc, sizeBytes] = [0, 0];
  for (const piece of pieces) {
    crc = (times(powerOfX(piece.sizeBytes * 8), crc) ^ piece.crc) >>> 0;
    sizeBytes += piece.sizeBytes;
  }
  const end = Buffer.from([0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
  end.writeUInt32LE(crc, 2);
  end.writeUInt32LE(sizeBytes % 2 ** 32, 6);
  return end;
}

// A CRC-32 is a remainder of polynomials over two elements. To append n bytes multiplies what was there by
// x to the power of 8n. The highest bit of a word is the coefficient of x to the power of 0.

const ONE = 0x8000_0000;
const X = 0x4000_0000;
const MODULUS = 0xedb8_8320;

/** The product of two remainders. */
function times(a: number, b: number): number {
  let [product, shifted] = [0, b];
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ MODULUS;
  }
  return product >>> 0;
}

function powerOfX(exponent: number): number {
  let [power, square] = [ONE, X];
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = times(power, square);
    square = times(square, square);
  }
  return power;
}
