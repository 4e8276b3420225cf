/**
 * The mailbox of one actor: three lanes (lifecycle, control, user), of which only the last is bounded and
 * held back by PAUSE. It belongs to the path, not to an incarnation, and so survives restarts. What is
 * lost here is handed to `onLost`, never forgotten.
 */
import type { Overflow } from "./actor-definition.ts";
import type { TellResult } from "./actor-ref.ts";
import type { PendingAsk } from "./ask.ts";
import { Fifo } from "./fifo.ts";

/** Decides at the last moment whether an envelope still concerns the incarnation that takes it. */
export interface Guard {
  /** `drop`: silently (a cancelled timer, an undone watch); `stale`: as a dead letter. */
  admit(incarnation: number): "take" | "drop" | "stale";
}

export interface Envelope {
  readonly type: string;
  readonly body: unknown;
  readonly ask: PendingAsk | undefined;
  readonly guard: Guard | undefined;
}

export type Lane = "lifecycle" | "control" | "user";

interface Waiter {
  readonly envelope: Envelope;
  readonly settle: (result: TellResult) => void;
}

export class Mailbox {
  readonly #bound: number;
  readonly #overflow: Overflow;
  readonly #onLost: (envelope: Envelope) => void;
  readonly #lifecycle = new Fifo<Envelope>();
  readonly #control = new Fifo<Envelope>();
  readonly #user = new Fifo<Envelope>();
  readonly #waiters = new Fifo<Waiter>();

  constructor(bound: number, overflow: Overflow, onLost: (envelope: Envelope) => void) {
    this.#bound = bound;
    this.#overflow = overflow;
    this.#onLost = onLost;
  }

  get depth(): number {
    return this.#lifecycle.size + this.#control.size + this.#user.size;
  }

  /** Whether `take` would find something. */
  has(withUserLane: boolean): boolean {
    if (this.#lifecycle.size > 0 || this.#control.size > 0) return true;
    return withUserLane && this.#user.size > 0;
  }

  /** Lanes without a bound: lifecycle and control messages, and the ticks of an actor's own timers. */
  push(lane: Lane, envelope: Envelope): void {
    const queue =
      lane === "lifecycle" ? this.#lifecycle : lane === "control" ? this.#control : this.#user;
    queue.push(envelope);
  }

  /** Puts a user message in, or does what the overflow rule says. */
  offer(envelope: Envelope): Exclude<TellResult, "dead"> {
    if (this.#hasRoom()) {
      this.#user.push(envelope);
      return "queued";
    }
    if (this.#overflow === "drop-oldest") {
      const oldest = this.#user.shift();
      if (oldest) this.#onLost(oldest);
      this.#user.push(envelope);
      return "queued";
    }
    this.#onLost(envelope);
    return this.#overflow === "drop-new" ? "dropped" : "rejected";
  }

  /** As `offer`, but a full mailbox makes it wait. As many may wait as there is room for. */
  offerWhenRoom(envelope: Envelope): Promise<TellResult> {
    if (this.#hasRoom()) {
      this.#user.push(envelope);
      return Promise.resolve("queued");
    }
    if (this.#waiters.size >= this.#bound) {
      this.#onLost(envelope);
      return Promise.resolve("rejected");
    }
    return new Promise((settle) => this.#waiters.push({ envelope, settle }));
  }

  take(withUserLane: boolean): Envelope | undefined {
    const urgent = this.#lifecycle.shift() ?? this.#control.shift();
    if (urgent || !withUserLane) return urgent;
    const envelope = this.#user.shift();
    if (this.#waiters.size > 0) this.#letIn();
    return envelope;
  }

  /** Empties the mailbox for good: those who wait are told `dead`. */
  *clear(): Generator<Envelope> {
    for (const lane of [this.#lifecycle, this.#control, this.#user]) {
      for (let left = lane.shift(); left; left = lane.shift()) yield left;
    }
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.settle("dead");
      yield waiter.envelope;
    }
  }

  /** Never true while somebody waits: `take` lets the next one in at once, so nobody overtakes. */
  #hasRoom(): boolean {
    return this.#user.size < this.#bound;
  }

  #letIn(): void {
    while (this.#user.size < this.#bound) {
      const waiter = this.#waiters.shift();
      if (!waiter) return;
      this.#user.push(waiter.envelope);
      waiter.settle("queued");
    }
  }
}
