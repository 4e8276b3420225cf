/**
 * What travels: one msgpack value per frame, `[[1, kind, session, 0], payload]` in the hand-shake and
 * `[[1, "DATA", session, sequence, credit], messages]` after it. The layout and the kinds other than DATA are frozen as version 1, so
 * that a refusal can be read by any version. DATA packs all that one turn of the event loop had to say to a peer; an
 * empty DATA is a heartbeat. A large binary travels beside its frame (`bulky-frame.ts`). Between ends in one process a frame may also go as it is (`FrameReference`).
 */
import {
  BulkyFrame,
  bulkOf,
  decodeBulky,
  encodeUpToBulk,
  MOST_BEFORE_BULK_BYTES,
} from "./bulky-frame.ts";
import { BIG_BYTES, decode, encode, MalformedFrameError } from "./codec.ts";

const LAYOUT = 1;

const kinds = ["HELLO", "WELCOME", "REFUSED", "WHO", "END", "BYE", "DATA"] as const;
/**
 * HELLO: a client asks for a session. WELCOME, REFUSED: the answer. WHO: the server does not know the
 * session that spoke. END: the server ended it. BYE: the client leaves.
 */
export type FrameKind = (typeof kinds)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly session: string;
  /**
   * Of DATA the number of its first message, counting the messages of a session in one direction from 1; where it has none, the
   * number that the next one will have, so that also the loss of the last one shows. 0 in other kinds.
   */
  readonly sequence: number;
  /** Of DATA the number of the last message that its sender will take from the other side. 0 in other kinds. */
  readonly credit: number;
  readonly payload: unknown;
}

export type WireMessage =
  | { readonly kind: "tell"; readonly type: string; readonly body: unknown }
  | {
      readonly kind: "ask";
      readonly type: string;
      readonly body: unknown;
      readonly correlation: number;
      /** How long the asker waits from now. A duration: clocks of machines differ. */
      readonly deadlineMs: number;
    }
  | {
      readonly kind: "reply";
      readonly type: string;
      readonly body: unknown;
      readonly correlation: number;
    }
  | {
      readonly kind: "error";
      readonly type: string;
      readonly body: string;
      readonly correlation: number;
    };

/** A frame that never becomes bytes. Only sockets of this process carry it; no peer can forge one. */
export class FrameReference {
  readonly frame: Frame;
  readonly messages: readonly WireMessage[];

  constructor(frame: Frame, messages: readonly WireMessage[]) {
    this.frame = frame;
    this.messages = messages;
  }
}

/** What a socket carries. */
export type Packet = Buffer | BulkyFrame | FrameReference;

const messageKinds = ["tell", "ask", "reply", "error"] as const;
const kindNumbers = { tell: 0, ask: 1, reply: 2, error: 3 } as const;

/** A frame with a payload of its own: the hand-shake's. */
export function encodeFrame(kind: FrameKind, session: string, payload: unknown): Buffer {
  return encode([[LAYOUT, kind, session, 0], payload]);
}

/** @throws Error for a body without an encoding. */
export function encodeMessage(message: WireMessage): Buffer {
  const { kind, type, body } = message;
  const number = kindNumbers[kind];
  if (kind === "tell") return encode([number, type, body], LEVELS_ABOVE);
  if (kind === "ask") {
    const question = [number, type, body, message.correlation, message.deadlineMs];
    return encode(question, LEVELS_ABOVE);
  }
  return encode([number, type, body, message.correlation], LEVELS_ABOVE);
}

/** A message on its way into a frame. */
export interface PackedMessage {
  readonly bytes: Buffer;
  /** The contents of the binary that the bytes end with, where that is a large one: not copied, so not to be changed. */
  readonly bulk: Uint8Array | undefined;
}

/** @throws Error for a body without an encoding. */
export function packMessage(message: WireMessage): PackedMessage {
  const { kind, type, body } = message;
  const bulk = kind === "tell" ? bulkOf(body) : undefined;
  if (bulk !== undefined) {
    const bytes = encodeUpToBulk([kindNumbers[kind], type, body], bulk, LEVELS_ABOVE);
    if (bytes.length <= MOST_BEFORE_BULK_BYTES) return { bytes, bulk };
  }
  return { bytes: encodeMessage(message), bulk: undefined };
}

/** What all DATA frames of a session begin with, up to the sequence. */
export function encodeDataHead(session: string): Buffer {
  // A list of two, in it a list of five.
  const open = Buffer.from([0x92, 0x95]);
  return Buffer.concat([
    open,
    ...[LAYOUT, "DATA" satisfies FrameKind, session].map((part) => encode(part)),
  ]);
}

const FLOAT_64 = 0xcb;
const LIST_16 = 0xdc;
/** Two numbers of 8 bytes and a count of 2, each after its token. */
const NUMBERS_BYTES = 9 + 9 + 3;

/** A message lies in the list of its frame's, and that in the frame. */
const LEVELS_ABOVE = 2;

/** Encoded messages are strung together as they are: the bytes of an array are its items'. */
export function encodeData(
  head: Buffer,
  sequence: number,
  credit: number,
  messages: readonly Buffer[],
): Buffer {
  let length = head.length + NUMBERS_BYTES;
  for (const message of messages) length += message.length;
  // Not from the pool: ZeroMQ may hold it long after.
  const frame = Buffer.allocUnsafeSlow(length);
  let at = head.copy(frame, 0);
  frame[at] = FLOAT_64;
  at = frame.writeDoubleBE(sequence, at + 1);
  frame[at] = FLOAT_64;
  at = frame.writeDoubleBE(credit, at + 1);
  frame[at] = LIST_16;
  at = frame.writeUInt16BE(messages.length, at + 1);
  for (const message of messages) {
    frame.set(message, at);
    at += message.length;
  }
  return frame;
}

/** Bytes that a frame adds to its messages, at most. */
export const FRAME_OVERHEAD_BYTES = 128;
/** A frame is closed when it holds this much, so that no peer waits for a huge one. */
export const PACKED_BYTES = 4 * BIG_BYTES;
/** Below the 16 bits of the count. */
export const PACKED_MESSAGES = 4_096;

/** @throws MalformedFrameError */
export function decodeFrame(packet: Uint8Array | BulkyFrame | FrameReference): Frame {
  if (packet instanceof FrameReference) return packet.frame;
  const value = packet instanceof BulkyFrame ? decodeBulky(packet) : decode(packet);
  const [header, payload] = listOf(value, 2);
  if (!Array.isArray(header)) throw new MalformedFrameError("not a frame");
  const [layout, kind, session, sequence, credit = 0] = header as unknown[];
  if (layout !== LAYOUT) throw new MalformedFrameError("another frame layout");
  const known = kinds.find((candidate) => candidate === kind);
  if (known === undefined) throw new MalformedFrameError("an unknown kind of frame");
  if (
    header.length !== (known === "DATA" ? 5 : 4) ||
    typeof session !== "string" ||
    session.length > 64 ||
    !isCount(sequence) ||
    !isCount(credit)
  ) {
    throw new MalformedFrameError("a damaged header");
  }
  return { kind: known, session, sequence, credit, payload };
}

/** Reads a DATA frame's messages; their types and bodies are unchecked. @throws MalformedFrameError */
export function decodeMessages(payload: unknown): WireMessage[] {
  if (!Array.isArray(payload)) throw new MalformedFrameError("no list of messages");
  return payload.map(decodeMessage);
}

function decodeMessage(value: unknown): WireMessage {
  if (!Array.isArray(value)) throw new MalformedFrameError("a message is not a list");
  const [kindNumber, type, body, correlation, deadlineMs] = value as unknown[];
  const kind = typeof kindNumber === "number" ? messageKinds[kindNumber] : undefined;
  if (kind === undefined || typeof type !== "string" || type.length > 100) {
    throw new MalformedFrameError("a damaged message");
  }
  if (kind === "tell") return { kind, type, body };
  if (!isCount(correlation)) throw new MalformedFrameError("a damaged correlation");
  if (kind === "error") {
    if (typeof body !== "string") throw new MalformedFrameError("a damaged error");
    return { kind, type, body, correlation };
  }
  if (kind === "reply") return { kind, type, body, correlation };
  if (typeof deadlineMs !== "number" || !(deadlineMs > 0)) {
    throw new MalformedFrameError("a damaged deadline");
  }
  return { kind, type, body, correlation, deadlineMs };
}

function listOf(value: unknown, length: number): unknown[] {
  if (!Array.isArray(value) || value.length !== length) {
    throw new MalformedFrameError("not a frame");
  }
  return value;
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
