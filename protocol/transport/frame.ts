/**
 * What travels: one msgpack value `[[1, kind, session, sequence], payload]` per frame. The layout and the
 * kinds other than DATA are frozen as version 1, so that a refusal can be read by any version. DATA packs all that
 * one turn of the event loop had to say to a peer; an empty DATA is a heartbeat.
 */
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
  /** Counts the DATA frames of a session in one direction from 1; 0 in other kinds. */
  readonly sequence: number;
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

const messageKinds = ["tell", "ask", "reply", "error"] as const;

/** A frame with a payload of its own: the hand-shake's. */
export function encodeFrame(kind: FrameKind, session: string, payload: unknown): Buffer {
  return encode([[LAYOUT, kind, session, 0], payload]);
}

/** @throws Error for a body without an encoding. */
export function encodeMessage(message: WireMessage): Buffer {
  const { kind, type, body } = message;
  const head = [messageKinds.indexOf(kind), type, body];
  if (kind === "tell") return encode(head);
  if (kind === "ask") return encode([...head, message.correlation, message.deadlineMs]);
  return encode([...head, message.correlation]);
}

/** Encoded messages are strung together as they are: the bytes of an array are its items'. */
export function encodeData(session: string, sequence: number, messages: readonly Buffer[]): Buffer {
  const count = Buffer.alloc(3);
  count[0] = 0xdc;
  count.writeUInt16BE(messages.length, 1);
  return Buffer.concat([
    PAIR,
    encode([LAYOUT, "DATA" satisfies FrameKind, session, sequence]),
    count,
    ...messages,
  ]);
}

/** Bytes that a frame adds to its messages, at most. */
export const FRAME_OVERHEAD_BYTES = 128;
/** A frame is closed when it holds this much, so that no peer waits for a huge one. */
export const PACKED_BYTES = 4 * BIG_BYTES;
/** Below the 16 bits of the count. */
export const PACKED_MESSAGES = 4_096;

const PAIR = Buffer.from([0x92]);

/** @throws MalformedFrameError */
export function decodeFrame(bytes: Uint8Array): Frame {
  const value = decode(bytes);
  const [header, payload] = tupleOf(value, 2);
  const [layout, kind, session, sequence] = tupleOf(header, 4);
  if (layout !== LAYOUT) throw new MalformedFrameError("another frame layout");
  const known = kinds.find((candidate) => candidate === kind);
  if (known === undefined) throw new MalformedFrameError("an unknown kind of frame");
  if (typeof session !== "string" || session.length > 64 || !isCount(sequence)) {
    throw new MalformedFrameError("a damaged header");
  }
  return { kind: known, session, sequence, payload };
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

function tupleOf(value: unknown, length: number): unknown[] {
  if (!Array.isArray(value) || value.length !== length) {
    throw new MalformedFrameError("not a frame");
  }
  return value;
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
