/**
 * Deadlines that are nearly always cancelled: those of asks, here and over links. All that wait equally long share one timer,
 * which is what an ask costs most otherwise (a third of a quick one). On any other clock than the system's
 * each has a timer of its own. For what is expected to fire, use the clock itself.
 */
import { type Clock, systemClock } from "./clock.ts";
import { currentScope, inScope, outsideScopes, type Scope } from "./scope.ts";

/** Told when its time has passed, in the scope in which the deadline was set. */
export interface Due {
  deadlinePassed(): void;
}

export interface Deadline {
  /** Harmless when it has passed. */
  cancel(): void;
}

/** Beyond it, durations that nobody else uses get a timer of their own. */
const mostLanes = 32;
/** Node fires at once what is set further ahead than this. */
const longestTimerMs = 2 ** 31 - 1;

const lanes = new Map<number, Lane>();

export function setDeadline(clock: Clock, delayMs: number, due: Due): Deadline {
  const lane = clock === systemClock ? findLane(delayMs) : undefined;
  if (lane) return lane.add(due);
  return { cancel: clock.setTimer(delayMs, () => due.deadlinePassed()) };
}

function findLane(delayMs: number): Lane | undefined {
  const present = lanes.get(delayMs);
  if (present) return present;
  if (lanes.size >= mostLanes || !(delayMs >= 1 && delayMs <= longestTimerMs)) return undefined;
  const made = new Lane(delayMs);
  lanes.set(delayMs, made);
  return made;
}

/** Waits in the list of its lane, from which it can be taken at once. */
class Waiting implements Deadline {
  readonly due: Due;
  readonly dueAtMs: number;
  readonly scope: Scope | undefined;
  previous: Waiting | undefined;
  next: Waiting | undefined;
  #lane: Lane | undefined;

  constructor(lane: Lane, due: Due, dueAtMs: number) {
    this.#lane = lane;
    this.due = due;
    this.dueAtMs = dueAtMs;
    this.scope = currentScope();
  }

  cancel(): void {
    this.#lane?.remove(this);
    this.#lane = undefined;
  }
}

/** Deadlines of one duration: the one that was set first passes first. */
class Lane {
  readonly #delayMs: number;
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  /** Stays armed while nothing waits, but does not keep the process then. */
  #timer: NodeJS.Timeout | undefined;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  add(due: Due): Waiting {
    const waiting = new Waiting(this, due, performance.now() + this.#delayMs);
    const last = this.#last;
    this.#last = waiting;
    if (last) {
      last.next = waiting;
      waiting.previous = last;
    } else {
      this.#first = waiting;
      if (this.#timer) this.#timer.ref();
      else this.#arm(this.#delayMs);
    }
    return waiting;
  }

  remove(waiting: Waiting): void {
    const { previous, next } = waiting;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    if (!this.#first) this.#timer?.unref();
  }

  /** Nobody's: it outlives whoever happens to ask first. */
  #arm(delayMs: number): void {
    this.#timer = outsideScopes(() => setTimeout(() => this.#fire(), delayMs));
  }

  /** A method, since the compiler believes what it saw of the field before callbacks ran. */
  #isArmed(): boolean {
    return this.#timer !== undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    try {
      for (let first = this.#first; first && first.dueAtMs <= nowMs; first = this.#first) {
        const { due, scope } = first;
        first.cancel();
        if (scope) inScope(scope, () => due.deadlinePassed());
        else due.deadlinePassed();
      }
    } finally {
      // One that threw must not cost the others their deadlines; one may have set a new one and armed the timer.
      if (!this.#first) lanes.delete(this.#delayMs);
      else if (!this.#isArmed()) this.#arm(Math.max(1, this.#first.dueAtMs - nowMs));
    }
  }
}
