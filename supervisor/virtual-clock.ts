/**
 * A clock that stands still until a test moves it. Timers fire in the order of their instants, and after
 * each one the event loop turns so that what it set going comes to rest. Not for products.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CancelTimer, Clock } from "./clock.ts";

interface Pending {
  readonly dueAtMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  #epochOffsetMs = 1_700_000_000_000;
  #order = 0;
  readonly #pending = new Set<Pending>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  epochMs(): number {
    return this.#epochOffsetMs + this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    if (!Number.isFinite(delayMs)) return () => undefined;
    const dueAtMs = this.#nowMs + Math.max(0, delayMs);
    const pending = { dueAtMs, order: this.#order++, callback };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** Sets the wall clock forward or back; monotonic time does not notice. */
  jumpWallClock(byMs: number): void {
    this.#epochOffsetMs += byMs;
  }

  /** Timers that wait. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time on, fires what falls due on the way, and lets the loop come to rest. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await this.settle();
    for (let due = this.#nextDue(untilMs); due; due = this.#nextDue(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, due.dueAtMs);
      this.#pending.delete(due);
      due.callback();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** Turns the event loop often enough for a chain of messages to end. Time stands still. */
  async settle(turns = 12): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await nextTurn();
  }

  #nextDue(untilMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueAtMs > untilMs) continue;
      const isSooner =
        next === undefined ||
        pending.dueAtMs < next.dueAtMs ||
        (pending.dueAtMs === next.dueAtMs && pending.order < next.order);
      if (isSooner) next = pending;
    }
    return next;
  }
}
