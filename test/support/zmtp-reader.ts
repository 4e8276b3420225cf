/**
 * Cuts the bytes of one direction of a ZeroMQ connection (ZMTP 3, without CURVE) into what ZeroMQ sends as one
 * piece, and reads in each the frame of ours that it carries. For proxies that act on what they see pass.
 */
import { BulkyFrame } from "../../protocol/transport/bulky-frame.ts";
import { decodeFrame, decodeMessages, type FrameKind } from "../../protocol/transport/frame.ts";

/** What is in a piece: one of our frames, with the messages of a DATA frame. */
export interface Crossing {
  readonly kind: FrameKind;
  readonly messages: readonly { readonly type: string; readonly body: unknown }[];
}

export interface Piece {
  readonly bytes: Buffer;
  /** Undefined for what is ZeroMQ's own: its greeting, its commands. */
  readonly crossing: Crossing | undefined;
}

const GREETING_BYTES = 64;
const HAS_MORE = 1;
const IS_LONG = 2;
const IS_COMMAND = 4;

export class ZmtpReader {
  #held: Buffer = Buffer.alloc(0);
  #greetingLeft = GREETING_BYTES;
  /** The first part of a frame in two. */
  #first: Buffer | undefined;

  /** Takes what has arrived, and gives all pieces that are whole now, in order. */
  take(bytes: Buffer): Piece[] {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const pieces: Piece[] = [];
    // The greeting goes as it comes: each side waits for the other's beginning.
    const greeting = this.#cut(Math.min(this.#greetingLeft, this.#held.length));
    this.#greetingLeft -= greeting.length;
    if (greeting.length > 0) pieces.push({ bytes: greeting, crossing: undefined });
    if (this.#greetingLeft > 0) return pieces;
    for (;;) {
      const lengthBytes = this.#nextLength();
      if (lengthBytes === undefined || this.#held.length < lengthBytes) return pieces;
      const piece = this.#cut(lengthBytes);
      const first = this.#first;
      if (first === undefined && ((piece[0] ?? 0) & HAS_MORE) !== 0) {
        this.#first = piece;
        continue;
      }
      this.#first = undefined;
      const bytes = first === undefined ? piece : Buffer.concat([first, piece]);
      pieces.push({ bytes, crossing: crossingOf(first ?? piece, first && piece) });
    }
  }

  #cut(lengthBytes: number): Buffer {
    const piece = this.#held.subarray(0, lengthBytes);
    this.#held = this.#held.subarray(lengthBytes);
    return piece;
  }

  /** Of the piece that is at the front; undefined while its head is not here. */
  #nextLength(): number | undefined {
    const [flags, short] = this.#held;
    if (flags === undefined || short === undefined) return undefined;
    if ((flags & IS_LONG) === 0) return 2 + short;
    return this.#held.length < 9 ? undefined : 9 + Number(this.#held.readBigUInt64BE(1));
  }
}

const contentsOf = (piece: Buffer): Buffer =>
  piece.subarray(((piece[0] ?? 0) & IS_LONG) === 0 ? 2 : 9);

function crossingOf(piece: Buffer, second: Buffer | undefined): Crossing | undefined {
  if (((piece[0] ?? 0) & IS_COMMAND) !== 0) return undefined;
  try {
    const head = contentsOf(piece);
    const frame = decodeFrame(second ? new BulkyFrame(head, contentsOf(second)) : head);
    const messages = frame.kind === "DATA" ? decodeMessages(frame.payload) : [];
    return { kind: frame.kind, messages };
  } catch {
    return undefined;
  }
}
