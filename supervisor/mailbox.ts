/**
 * The mailbox of one actor: three lanes (lifecycle, control, user), of which only the last is bounded and
 * held back by PAUSE, and before them the runtime's own calls. It belongs to the path, not to an incarnation, and so survives restarts. What is
 * lost here is handed to `onLost`, never forgotten.
 */
import type { Overflow } from "./actor-definition.ts";
import type { TellResult } from "./actor-ref.ts";
import { Arrivals } from "./arrivals.ts";
import type { PendingAsk } from "./ask.ts";
import { Fifo } from "./fifo.ts";
import type { Gauges } from "./gauges.ts";
import type { StateCall } from "./state-call.ts";

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

/**
 * User messages that were taken ahead and have not been begun, by a loop whose handlers run in a worker
 * thread. Until they are begun they count as waiting here: they fill the mailbox and can be dropped.
 */
export interface TakenAhead {
  readonly count: number;
  /** Takes the oldest of them back for good. */
  takeOldest(): Envelope | undefined;
}

interface Waiter {
  readonly envelope: Envelope;
  readonly settle: (result: TellResult) => void;
}

export class Mailbox {
  ahead: TakenAhead | undefined;
  #bound: number;
  #overflow: Overflow;
  readonly #onLost: (envelope: Envelope, how: "dropped" | "rejected") => void;
  readonly #gauges: Gauges;
  readonly #calls = new Fifo<StateCall>();
  readonly #arrivals = new Arrivals();
  readonly #lifecycle = new Fifo<Envelope>();
  readonly #control = new Fifo<Envelope>();
  readonly #user = new Fifo<Envelope>();
  readonly #waiters = new Fifo<Waiter>();

  constructor(
    bound: number,
    overflow: Overflow,
    gauges: Gauges,
    onLost: (envelope: Envelope, how: "dropped" | "rejected") => void,
  ) {
    this.#gauges = gauges;
    this.#bound = bound;
    this.#overflow = overflow;
    this.#onLost = onLost;
  }

  get depth(): number {
    return this.#lifecycle.size + this.#control.size + this.#userDepth;
  }

  /** When the oldest waiting user message came, by `performance.now()`; undefined when none waits. */
  get oldestAtMs(): number | undefined {
    return this.#arrivals.oldestAtMs;
  }

  /** Calls of the runtime itself: they overtake all messages and are none. */
  pushCall(call: StateCall): void {
    this.#calls.push(call);
  }

  takeCall(): StateCall | undefined {
    return this.#calls.size === 0 ? undefined : this.#calls.shift();
  }

  get #userDepth(): number {
    return this.#user.size + (this.ahead?.count ?? 0);
  }

  /** For an actor whose definition is known only once it has started. What is over the bound stays. */
  resize(bound: number, overflow: Overflow): void {
    this.#bound = bound;
    this.#overflow = overflow;
  }

  /** Gives back what was taken and not begun, in its order, before everything else of its lane. */
  putBack(lane: Exclude<Lane, "lifecycle">, envelopes: readonly Envelope[]): void {
    (lane === "control" ? this.#control : this.#user).unshift(envelopes);
    if (lane === "user") this.#arrivals.cameBack(envelopes.length, this.#gauges.recentMs);
  }

  /** Whether `take` would find something. */
  has(withUserLane: boolean): boolean {
    if (this.#lifecycle.size > 0 || this.#control.size > 0) return true;
    return withUserLane && this.#user.size > 0;
  }

  /** Lanes without a bound: lifecycle and control messages, and the ticks of an actor's own timers. */
  push(lane: Lane, envelope: Envelope): void {
    if (lane === "user") this.#pushUser(envelope);
    else (lane === "lifecycle" ? this.#lifecycle : this.#control).push(envelope);
  }

  /** Puts a user message in, or does what the overflow rule says. */
  offer(envelope: Envelope): Exclude<TellResult, "dead"> {
    if (this.#hasRoom()) {
      this.#pushUser(envelope);
      return "queued";
    }
    if (this.#overflow === "drop-oldest") {
      const oldest = this.ahead?.takeOldest() ?? this.#shiftUser();
      if (oldest) this.#onLost(oldest, "dropped");
      this.#pushUser(envelope);
      return "queued";
    }
    const how = this.#overflow === "drop-new" ? "dropped" : "rejected";
    this.#onLost(envelope, how);
    return how;
  }

  /** As `offer`, but a full mailbox makes it wait. As many may wait as there is room for. */
  offerWhenRoom(envelope: Envelope): Promise<TellResult> {
    if (this.#hasRoom()) {
      this.#pushUser(envelope);
      return Promise.resolve("queued");
    }
    if (this.#waiters.size >= this.#bound) {
      this.#onLost(envelope, "rejected");
      return Promise.resolve("rejected");
    }
    return new Promise((settle) => this.#waiters.push({ envelope, settle }));
  }

  take(withUserLane: boolean): Envelope | undefined {
    const urgent = this.#lifecycle.shift() ?? this.#control.shift();
    if (urgent || !withUserLane) return urgent;
    // What is taken ahead makes no room yet: only what was begun since then does.
    if (this.ahead) this.#letIn();
    const envelope = this.#shiftUser();
    if (!this.ahead) this.#letIn();
    return envelope;
  }

  /** Empties the mailbox for good: those who wait are told `dead`. */
  *clear(): Generator<Envelope> {
    for (let call = this.takeCall(); call; call = this.takeCall()) {
      call.fail("dead", "it has ended");
    }
    for (const lane of [this.#lifecycle, this.#control]) {
      for (let left = lane.shift(); left; left = lane.shift()) yield left;
    }
    for (let left = this.#shiftUser(); left; left = this.#shiftUser()) yield left;
    for (let waiter = this.#waiters.shift(); waiter; waiter = this.#waiters.shift()) {
      waiter.settle("dead");
      yield waiter.envelope;
    }
  }

  /** Never true while somebody waits: `take` lets the next one in at once, so nobody overtakes. */
  #hasRoom(): boolean {
    // Room that was made in another thread is seen here first.
    if (this.ahead) this.#letIn();
    return this.#userDepth < this.#bound;
  }

  #pushUser(envelope: Envelope): void {
    // Where others wait already, some turn is due and the last look at the clock is near enough.
    const atMs = this.#user.size === 0 ? this.#gauges.look() : this.#gauges.recentMs;
    this.#arrivals.came(atMs);
    this.#user.push(envelope);
  }

  #shiftUser(): Envelope | undefined {
    this.#arrivals.left();
    return this.#user.shift();
  }

  #letIn(): void {
    while (this.#waiters.size > 0 && this.#userDepth < this.#bound) {
      const waiter = this.#waiters.shift();
      if (!waiter) return;
      this.#pushUser(waiter.envelope);
      waiter.settle("queued");
    }
  }
}
