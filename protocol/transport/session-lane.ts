/**
 * What one end of a session has to say and has not yet handed to the socket: bounded, in order, packed
 * into frames when the writer asks. A full lane is its peer's trouble and holds up no other.
 */
import { encodeData, FRAME_OVERHEAD_BYTES, PACKED_BYTES, PACKED_MESSAGES } from "./frame.ts";
import type { Lane } from "./frame-writer.ts";

/** Whatever the number of messages: a thousand chunks of 1 MiB must not wait in memory. */
const LARGEST_BACKLOG_BYTES = 64 * 1024 * 1024;

export class SessionLane implements Lane {
  readonly routingId: Buffer | undefined;
  expiresAtMs = Number.POSITIVE_INFINITY;
  readonly #session: string;
  readonly #bound: number;
  readonly #messages: Buffer[] = [];
  #bytes = 0;
  #sequence = 0;
  #isHeartbeatDue = false;
  #last: Buffer | undefined;

  constructor(session: string, bound: number, routingId?: Buffer) {
    this.#session = session;
    this.#bound = bound;
    this.routingId = routingId;
  }

  /** False where the lane is at its bound; the message is not taken then. */
  add(message: Buffer): boolean {
    const isFull =
      this.#messages.length >= this.#bound ||
      (this.#messages.length > 0 && this.#bytes + message.length > LARGEST_BACKLOG_BYTES);
    if (isFull) return false;
    this.#messages.push(message);
    this.#bytes += message.length;
    return true;
  }

  /** Makes the next frame go out even where there is nothing to say. */
  beat(): void {
    this.#isHeartbeatDue = true;
  }

  /** Sends what waits, then this frame, then nothing; gives up after `withinMs`. */
  finish(frame: Buffer, withinMs: number): void {
    this.#last = frame;
    this.expiresAtMs = performance.now() + withinMs;
  }

  takeFrame(): Buffer | undefined {
    if (this.#messages.length === 0 && !(this.#isHeartbeatDue && this.#last === undefined)) {
      const last = this.#last;
      this.#last = undefined;
      return last;
    }
    let count = 0;
    let bytes = 0;
    for (const message of this.#messages) {
      const isTooMuch = count > 0 && bytes + message.length > PACKED_BYTES - FRAME_OVERHEAD_BYTES;
      if (isTooMuch || count === PACKED_MESSAGES) break;
      count += 1;
      bytes += message.length;
    }
    this.#isHeartbeatDue = false;
    this.#bytes -= bytes;
    this.#sequence += 1;
    return encodeData(this.#session, this.#sequence, this.#messages.splice(0, count));
  }
}
