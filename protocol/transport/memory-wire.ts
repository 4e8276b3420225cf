/**
 * One direction of one in-memory connection: frames wait here until they are read, and meet the faults of
 * the network on their way. Bounded as a socket's queue is. Made by `memory-network.ts`, two for each connection.
 */
import { type Random, seededRandom } from "../../supervisor/index.ts";
import type { Packet } from "./frame.ts";

/** What may happen to a frame. Probabilities from 0 to 1, each drawn for each frame. */
export interface NetworkFaults {
  /** It never arrives. */
  readonly lose: number;
  /** It arrives up to `delayMs` later, and those behind it wait for it. */
  readonly delay: number;
  readonly delayMs: number;
  /** It arrives twice. */
  readonly repeat: number;
  /** The next one overtakes it. */
  readonly reorder: number;
}

export const NO_FAULTS: NetworkFaults = { lose: 0, delay: 0, delayMs: 20, repeat: 0, reorder: 0 };

export type WireEvent = "sent" | "lost" | "delayed" | "repeated" | "reordered";

/** With nothing behind it that could overtake, a frame is let go after this. */
const OVERTAKEN_WITHIN_MS = 20;

export interface WireOptions {
  readonly seed: number;
  /** The same name and seed give the same faults to the same frames. */
  readonly name: string;
  /** Frames that may be on their way and unread. */
  readonly bound: number;
  faults(): NetworkFaults;
  /** While true, whatever is sent is lost. */
  isBlackHole(): boolean;
  count(event: WireEvent): void;
  /** Whether the other side refuses a frame of that size; it then breaks the connection. */
  isTooLarge(frame: Packet): boolean;
  broke(): void;
  /** Something lies ready. */
  arrived(): void;
}

export class MemoryWire {
  readonly #options: WireOptions;
  readonly #random: Random;
  readonly #ready: Packet[] = [];
  /** In the order of sending; the first is waited for. */
  readonly #delayed: { readonly frame: Packet; readonly dueAtMs: number }[] = [];
  readonly #overtaken: Packet[] = [];
  #delayTimer: NodeJS.Timeout | undefined;
  #overtakeTimer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: WireOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed, options.name);
  }

  /** False where the queue is full; the frame is not taken then. */
  send(frame: Packet): boolean {
    const { bound, faults, count, isBlackHole } = this.#options;
    if (this.#isOver) {
      count("sent");
      count("lost");
      return true;
    }
    if (this.#ready.length + this.#delayed.length + this.#overtaken.length >= bound) return false;
    count("sent");
    if (this.#options.isTooLarge(frame)) {
      count("lost");
      this.#options.broke();
      return true;
    }
    const { lose, delay, delayMs, repeat, reorder } = faults();
    if (lose === 0 && delay === 0 && repeat === 0 && reorder === 0 && !isBlackHole()) {
      this.#pass(frame, 0);
      return true;
    }
    // Always five numbers a frame: changed probabilities do not shift the luck of later frames.
    const [isLost, isDelayed, isRepeated, isOvertaken, share] = [
      this.#random() < lose,
      this.#random() < delay,
      this.#random() < repeat,
      this.#random() < reorder,
      this.#random(),
    ];
    if (isLost || isBlackHole()) {
      count("lost");
      return true;
    }
    if (isOvertaken) {
      count("reordered");
      this.#overtaken.push(frame);
      this.#overtakeTimer ??= setTimeout(() => {
        this.#letOvertakenGo();
      }, OVERTAKEN_WITHIN_MS);
      return true;
    }
    if (isDelayed) count("delayed");
    if (isRepeated) count("repeated");
    this.#pass(frame, isDelayed ? share * delayMs : 0);
    if (isRepeated) this.#pass(frame, 0);
    return true;
  }

  get hasFrames(): boolean {
    return this.#ready.length > 0;
  }

  take(): Packet | undefined {
    return this.#ready.shift();
  }

  /** What is on its way is lost; what has arrived can still be read. */
  cut(): void {
    this.#isOver = true;
    clearTimeout(this.#delayTimer);
    clearTimeout(this.#overtakeTimer);
    const underWay = this.#delayed.splice(0).length + this.#overtaken.splice(0).length;
    for (let n = 0; n < underWay; n += 1) this.#options.count("lost");
  }

  #pass(frame: Packet, delayMs: number): void {
    if (delayMs === 0 && this.#delayed.length === 0) {
      this.#arrive(frame);
      return;
    }
    this.#delayed.push({ frame, dueAtMs: performance.now() + delayMs });
    this.#delayTimer ??= setTimeout(() => {
      this.#letDelayedGo();
    }, delayMs);
  }

  #letDelayedGo(): void {
    this.#delayTimer = undefined;
    for (let next = this.#delayed[0]; next !== undefined; next = this.#delayed[0]) {
      const waitMs = next.dueAtMs - performance.now();
      if (waitMs > 0) {
        this.#delayTimer = setTimeout(() => {
          this.#letDelayedGo();
        }, waitMs);
        return;
      }
      this.#delayed.shift();
      this.#arrive(next.frame);
    }
  }

  #arrive(frame: Packet): void {
    this.#ready.push(frame);
    this.#letOvertakenGo();
    this.#options.arrived();
  }

  #letOvertakenGo(): void {
    clearTimeout(this.#overtakeTimer);
    this.#overtakeTimer = undefined;
    if (this.#overtaken.length === 0) return;
    this.#ready.push(...this.#overtaken.splice(0));
    this.#options.arrived();
  }
}
