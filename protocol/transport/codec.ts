/**
 * Values to bytes and back: msgpack without records, shared structures or extensions. What comes back is
 * plain (objects, arrays, strings, numbers, binaries) and owned by who decoded it; whether it is a message is checked after.
 * -0 comes back as 0.
 */
import { Packr, Unpackr } from "msgpackr";
import { findMsgpackFault } from "./msgpack-scan.ts";

/** The bytes are not a value of this codec. */
export class MalformedFrameError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "MalformedFrameError";
  }
}

const packr = new Packr({ useRecords: false, variableMapSize: true });
const copying = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });
const viewing = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** Above this a frame holds one big message, whose binary may be a view: nobody else has the frame. */
export const BIG_BYTES = 64 * 1024;

/**
 * `levelsAbove`: how many levels of lists are put around the value before it is sent: with them it must not be
 * too deep for `decode`.
 * @throws Error for a value that would not arrive as it is (a cycle, a date, a map, an integer beyond 64 bits).
 */
export function encode(value: unknown, levelsAbove = 0): Buffer {
  const bytes = packr.pack(value);
  const fault = findMsgpackFault(bytes, levelsAbove);
  if (fault !== undefined) throw new TypeError(`cannot be sent: ${fault}`);
  return bytes;
}

/** @throws MalformedFrameError */
export function decode(frame: Uint8Array): unknown {
  const fault = findMsgpackFault(frame);
  if (fault !== undefined) throw new MalformedFrameError(fault);
  try {
    const value: unknown = (frame.length > BIG_BYTES ? viewing : copying).unpack(frame);
    return value;
  } catch (error) {
    throw new MalformedFrameError(error instanceof Error ? error.message : String(error));
  }
}
