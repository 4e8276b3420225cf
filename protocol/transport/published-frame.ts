/** What a publisher sends: `[1, epoch, sequence, type, body]`; without a type it only repeats the number reached. */
import { decode, encode, MalformedFrameError } from "./codec.ts";

const LAYOUT = 1;

export interface Published {
  /** One life of one publisher. */
  readonly epoch: string;
  /** Of the message, counted from 1; of the last one where there is no message. */
  readonly sequence: number;
  readonly message: { readonly type: string; readonly body: unknown } | null;
}

/** @throws Error for a body without an encoding. */
export function encodePublished({ epoch, sequence, message }: Published): Buffer {
  return encode([LAYOUT, epoch, sequence, message?.type ?? null, message?.body ?? null]);
}

/** @throws MalformedFrameError */
export function decodePublished(bytes: Uint8Array): Published {
  const value = decode(bytes);
  if (!Array.isArray(value) || value.length !== 5) throw new MalformedFrameError("not published");
  const [layout, epoch, sequence, type, body] = value as unknown[];
  if (layout !== LAYOUT || typeof epoch !== "string" || epoch.length > 64) {
    throw new MalformedFrameError("another frame layout");
  }
  if (typeof sequence !== "number" || !Number.isSafeInteger(sequence) || sequence < 0) {
    throw new MalformedFrameError("a damaged number");
  }
  if (type === null) return { epoch, sequence, message: null };
  if (typeof type !== "string") throw new MalformedFrameError("a damaged type");
  return { epoch, sequence, message: { type, body } };
}
