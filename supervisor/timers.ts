/** Timers of one incarnation: they put a message in its own mailbox and end with it. */
import type { Timer } from "./actor-context.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { Envelope } from "./mailbox.ts";

/** At most one message of a timer waits in the mailbox, so that timers need no bound there. */
class Tick implements Timer {
  isQueued = false;
  isCancelled = false;
  disarm: CancelTimer = () => undefined;
  readonly #onCancel: (tick: Tick) => void;

  constructor(onCancel: (tick: Tick) => void) {
    this.#onCancel = onCancel;
  }

  cancel(): void {
    this.isCancelled = true;
    this.disarm();
    this.#onCancel(this);
  }

  /** As the guard of its envelope: a cancelled timer is not heard of again. */
  admit(): "take" | "drop" {
    this.isQueued = false;
    return this.isCancelled ? "drop" : "take";
  }
}

export class Timers {
  readonly #clock: Clock;
  readonly #push: (envelope: Envelope) => void;
  readonly #ticks = new Set<Tick>();

  constructor(clock: Clock, push: (envelope: Envelope) => void) {
    this.#clock = clock;
    this.#push = push;
  }

  /** @throws RangeError when `delayMs` is not a number from 0 on. */
  after(delayMs: number, type: string, body: unknown): Timer {
    if (!(delayMs >= 0)) throw new RangeError(`after(${delayMs}): not a duration`);
    const tick = this.#add();
    tick.disarm = this.#clock.setTimer(delayMs, () => {
      this.#ticks.delete(tick);
      this.#fire(tick, type, body);
    });
    return tick;
  }

  /** @throws RangeError when `intervalMs` is not at least 1. */
  every(intervalMs: number, type: string, body: unknown): Timer {
    if (!(intervalMs >= 1)) throw new RangeError(`every(${intervalMs}): not an interval`);
    const tick = this.#add();
    let dueAtMs = this.#clock.monotonicMs();
    const arm = () => {
      const nowMs = this.#clock.monotonicMs();
      // Late ticks are not made up for; the rhythm is kept where it can be.
      dueAtMs = Math.max(dueAtMs + intervalMs, nowMs);
      tick.disarm = this.#clock.setTimer(dueAtMs - nowMs, () => {
        this.#fire(tick, type, body);
        arm();
      });
    };
    arm();
    return tick;
  }

  cancelAll(): void {
    for (const tick of this.#ticks) tick.cancel();
  }

  #add(): Tick {
    const tick = new Tick((cancelled) => this.#ticks.delete(cancelled));
    this.#ticks.add(tick);
    return tick;
  }

  #fire(tick: Tick, type: string, body: unknown): void {
    if (tick.isQueued || tick.isCancelled) return;
    tick.isQueued = true;
    this.#push({ type, body, ask: undefined, guard: tick });
  }
}
