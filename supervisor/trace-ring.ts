/**
 * The last messages in and out of the actors, kept for whoever wants to know afterwards what led to
 * something. Off until `keep` is called; then each event costs one small object. Bodies are not kept: they
 * may be large, and secret.
 */
import type { Clock } from "./clock.ts";
import type { TraceEvent, Tracer } from "./tracing.ts";

export interface RecentEvent extends Omit<TraceEvent, "body"> {
  /** ms since 1970. */
  readonly occurredAt: number;
}

const mostEvents = 1_000_000;

export class TraceRing {
  readonly #tracer: Tracer;
  readonly #clock: Clock;
  #events: RecentEvent[] = [];
  #next = 0;
  #remove: () => void = () => undefined;

  constructor(tracer: Tracer, clock: Clock) {
    this.#tracer = tracer;
    this.#clock = clock;
  }

  /**
   * Keeps the last `count` events from now on, and forgets those kept before. 0 turns it off.
   *
   * @throws RangeError when `count` is no whole number from 0 to 1,000,000.
   */
  keep(count: number, pattern: string): void {
    if (!(Number.isInteger(count) && count >= 0 && count <= mostEvents)) {
      throw new RangeError(`keepTrace(${count}): not a number of events`);
    }
    this.#remove();
    this.#events = [];
    this.#next = 0;
    if (count === 0) return;
    this.#remove = this.#tracer.install(pattern, ({ body: _body, ...event }) => {
      this.#events[this.#next] = { ...event, occurredAt: this.#clock.epochMs() };
      this.#next = (this.#next + 1) % count;
    });
  }

  /** Oldest first. */
  recent(): readonly RecentEvent[] {
    return [...this.#events.slice(this.#next), ...this.#events.slice(0, this.#next)];
  }
}
