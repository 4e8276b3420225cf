/**
 * What one end of a session has to say and has not yet handed to the socket: bounded, in order, packed
 * into frames when the writer asks, and held back where the other side's credit is used up. A full lane is its peer's
 * trouble and holds up no other. Answers and heartbeats need no credit.
 */
import {
  FRAME_OVERHEAD_BYTES,
  PACKED_BYTES,
  PACKED_MESSAGES,
  type Packet,
  type WireMessage,
} from "./frame.ts";
import type { Lane } from "./frame-writer.ts";
import type { Framing, Packing } from "./framing.ts";

/** Whatever the number of messages: a thousand chunks of 1 MiB must not wait in memory. */
const LARGEST_BACKLOG_BYTES = 64 * 1024 * 1024;

export interface LaneOptions {
  readonly session: string;
  /** The link's name, for errors. */
  readonly link: string;
  /** Messages that may wait; as many answers may wait beside them. */
  readonly bound: number;
  readonly largestMessageBytes: number;
  readonly routingId?: Buffer;
  /** The credit that the next frame gives to the other side. */
  credit(): number;
  /** Messages that were taken and never handed to the socket. */
  lost(count: number): void;
}

export interface SessionLane extends Lane {
  /**
   * False where the lane is at its bound; the message is not taken then.
   * @throws Error for a body that has no encoding, RangeError for one that is too large.
   */
  add(message: WireMessage): boolean;
  /** The other side takes messages up to this number. Never takes back what an earlier frame said. */
  grant(lastNumber: number): void;
  /** Makes the next frame go out even where there is nothing to say. */
  beat(): void;
  /** Sends what waits and has credit, then this frame, then nothing; gives up after `withinMs`. Resolves at either. */
  finish(frame: Packet, withinMs: number): Promise<void>;
  /** The session is over: what waits is lost. */
  discard(): void;
}

export function openLane(framing: Framing, options: LaneOptions): SessionLane {
  return framing.open(options.session, (packing) => new PackedLane(packing, options));
}

interface Waiting<M> {
  readonly packed: M;
  readonly sizeBytes: number;
  readonly isAnswer: boolean;
}

class PackedLane<M> implements SessionLane {
  readonly routingId: Buffer | undefined;
  expiresAtMs = Number.POSITIVE_INFINITY;
  readonly #packing: Packing<M>;
  readonly #options: LaneOptions;
  #waiting: Waiting<M>[] = [];
  /** Of what waits; answers are bounded by themselves. */
  readonly #messages = { count: 0, sizeBytes: 0 };
  readonly #answers = { count: 0, sizeBytes: 0 };
  #said = 0;
  #granted = 0;
  #isHeartbeatDue = false;
  #last: Packet | undefined;
  #finished: () => void = () => undefined;

  constructor(packing: Packing<M>, options: LaneOptions) {
    this.#packing = packing;
    this.#options = options;
    this.routingId = options.routingId;
  }

  get sendable(): number {
    return Math.min(this.#waiting.length, this.#granted - this.#said);
  }

  add(message: WireMessage): boolean {
    const { link, bound, largestMessageBytes } = this.#options;
    const packed = this.#packing.pack(message);
    const sizeBytes = this.#packing.sizeBytes(packed);
    if (sizeBytes > largestMessageBytes) {
      throw new RangeError(`${link}: ${message.type} of ${sizeBytes} bytes is too large`);
    }
    const isAnswer = message.kind === "reply" || message.kind === "error";
    const sum = isAnswer ? this.#answers : this.#messages;
    const isFull =
      sum.count >= bound || (sum.count > 0 && sum.sizeBytes + sizeBytes > LARGEST_BACKLOG_BYTES);
    if (isFull) return false;
    sum.count += 1;
    sum.sizeBytes += sizeBytes;
    this.#waiting.push({ packed, sizeBytes, isAnswer });
    return true;
  }

  grant(lastNumber: number): void {
    if (lastNumber > this.#granted) this.#granted = lastNumber;
  }

  beat(): void {
    this.#isHeartbeatDue = true;
  }

  finish(frame: Packet, withinMs: number): Promise<void> {
    this.#last = frame;
    this.expiresAtMs = performance.now() + withinMs;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      // Whoever does not wait for it is not kept by it.
      timer.unref();
      this.#finished = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  discard(): void {
    const count = this.#waiting.length;
    this.#waiting = [];
    for (const sum of [this.#messages, this.#answers]) {
      sum.count = 0;
      sum.sizeBytes = 0;
    }
    if (count > 0) this.#options.lost(count);
  }

  takeFrame(): Packet | undefined {
    const packed = this.#takeWaiting();
    if (packed.length === 0) {
      const last = this.#last;
      if (last !== undefined) {
        this.#last = undefined;
        this.#isHeartbeatDue = false;
        // Without credit to the end: nobody will give any now.
        this.discard();
        return last;
      }
      if (!this.#isHeartbeatDue) {
        // Asked again: the frame before this was handed over.
        this.#finished();
        return undefined;
      }
    }
    this.#isHeartbeatDue = false;
    const first = this.#said + 1;
    this.#said += packed.length;
    return this.#packing.data(first, this.#options.credit(), packed);
  }

  /** In order as far as credit reaches; beyond it only answers. */
  #takeWaiting(): M[] {
    const taken: M[] = [];
    let sizeBytes = 0;
    const take = (next: Waiting<M>): boolean => {
      const isFull =
        taken.length === PACKED_MESSAGES ||
        (taken.length > 0 && sizeBytes + next.sizeBytes > PACKED_BYTES - FRAME_OVERHEAD_BYTES);
      if (isFull) return false;
      if (!next.isAnswer && this.#said + taken.length >= this.#granted) return false;
      const sum = next.isAnswer ? this.#answers : this.#messages;
      sum.count -= 1;
      sum.sizeBytes -= next.sizeBytes;
      sizeBytes += next.sizeBytes;
      taken.push(next.packed);
      return true;
    };
    const stoppedAt = this.#waiting.findIndex((next) => !take(next));
    const rest = stoppedAt < 0 ? [] : this.#waiting.slice(stoppedAt);
    const isHeldBack = this.#said + taken.length >= this.#granted;
    this.#waiting =
      isHeldBack && this.#answers.count > 0
        ? rest.filter((next) => !(next.isAnswer && take(next)))
        : rest;
    return taken;
  }
}
