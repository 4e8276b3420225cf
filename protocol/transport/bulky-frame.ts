/**
 * A frame whose one message ends with a large binary, such as a range of a file. ZeroMQ carries it in two parts: the
 * first is the frame up to that binary's contents, the second its contents, as they lie in the sender's memory and in the
 * receiver's, copied by neither. Together they are the bytes that the frame would have in one part. Made by `framing.ts`,
 * found by the sockets, read by `frame.ts`.
 */
import { decode, encode, MalformedFrameError } from "./codec.ts";

/** Smaller ones are cheaper to copy than to send on their own; and nothing else fits into a frame with a larger one. */
export const BULK_BYTES = 256 * 1024;

export class BulkyFrame {
  /** Ends with the token and the length of the bulk. */
  readonly head: Buffer;
  readonly bulk: Uint8Array;

  constructor(head: Buffer, bulk: Uint8Array) {
    this.head = head;
    this.bulk = bulk;
  }

  get length(): number {
    return this.head.length + this.bulk.length;
  }
}

const BIN_8 = 0xc4;
const BIN_32 = 0xc6;
const EMPTY = Buffer.alloc(0);
/** An empty binary, and what stands in its place before the bulk. */
const EMPTY_BYTES = 2;
const OPENING_BYTES = 5;
/** Of what comes before a bulk: one message without it, of at most half as much, and its envelope. */
const MOST_HEAD_BYTES = 64 * 1_024;
export const MOST_BEFORE_BULK_BYTES = MOST_HEAD_BYTES / 2;

/** The last value of a body where it is a large binary. */
export function bulkOf(body: unknown): Uint8Array | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const last: unknown = Object.values(body).at(-1);
  return last instanceof Uint8Array && last.length >= BULK_BYTES ? last : undefined;
}

/** A list that ends with a body, up to the contents of its bulk. @throws Error for what has no encoding. */
export function encodeUpToBulk(
  list: readonly unknown[],
  bulk: Uint8Array,
  levelsAbove: number,
): Buffer {
  const body = list.at(-1) as Readonly<Record<string, unknown>>;
  const name = Object.keys(body).at(-1) ?? "";
  const bytes = encode([...list.slice(0, -1), { ...body, [name]: EMPTY }], levelsAbove);
  const head = Buffer.allocUnsafe(bytes.length - EMPTY_BYTES + OPENING_BYTES);
  bytes.copy(head);
  head[head.length - OPENING_BYTES] = BIN_32;
  head.writeUInt32BE(bulk.length, head.length - OPENING_BYTES + 1);
  return head;
}

/** @throws MalformedFrameError */
export function decodeBulky({ head, bulk }: BulkyFrame): unknown {
  const at = head.length - OPENING_BYTES;
  if (head.length > MOST_HEAD_BYTES)
    throw new MalformedFrameError("more comes before a second part than a message has");
  if (at < 0 || head[at] !== BIN_32 || head.readUInt32BE(at + 1) !== bulk.length)
    throw new MalformedFrameError("a second part that the first does not announce");
  const bytes = Buffer.from(head.subarray(0, at + EMPTY_BYTES));
  bytes[at] = BIN_8;
  bytes[at + 1] = 0;
  const value = decode(bytes);
  putLast(value, bulk);
  return value;
}

/** What came last in the bytes is the last value of each list and map, but of maps that only a hostile peer makes. */
function putLast(value: unknown, bulk: Uint8Array): void {
  let holder = value;
  while (typeof holder === "object" && holder !== null) {
    // The names of a long list would be as many texts.
    const name = Array.isArray(holder) ? String(holder.length - 1) : Object.keys(holder).at(-1);
    if (name === undefined || name === "-1") break;
    const last = (holder as Record<string, unknown>)[name];
    if (last instanceof Uint8Array && last.length === 0) {
      (holder as Record<string, unknown>)[name] = bulk;
      return;
    }
    holder = last;
  }
  throw new MalformedFrameError("a second part that belongs nowhere");
}
