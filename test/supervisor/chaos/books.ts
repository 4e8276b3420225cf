/**
 * The books of a chaos run: what the actors did, what was said to them, what became of it. Written by the
 * chaos actors and by the driver; the invariants are read from here.
 */
import type { Clock, System } from "../../../supervisor/index.ts";
import { type Random, seededRandom } from "../../../supervisor/random.ts";
import type { Runtime } from "../../../supervisor/runtime.ts";

export interface Account {
  sent: number;
  handled: number;
  dead: number;
}

/** One state that an init made; `stops` must be 1 in the end. */
export interface Life {
  readonly path: string;
  readonly incarnation: number;
  stops: number;
}

export class Books {
  readonly seed: number;
  readonly clock: Clock;
  readonly lives: Life[] = [];
  /** Every state that was made, as far as somebody still holds it. */
  readonly states: WeakRef<object>[] = [];
  readonly accounts = new Map<string, Account>();
  /** What must never happen, as it happened. */
  readonly wrongs: string[] = [];
  /** For messages of the runtime's making that may be wrong: how often what was seen. */
  readonly seen = new Map<string, number>();
  openAsks = 0;
  asks = 0;
  /** While true, inits fail and hang now and then, stops are stuck. */
  isRough = true;
  readonly #inside = new Map<string, number>();
  readonly #living = new Map<string, number>();
  readonly #randoms = new Map<string, Random>();
  readonly #handledNumbers = new Set<number>();
  #numbers = 0;

  constructor(seed: number, clock: Clock) {
    this.seed = seed;
    this.clock = clock;
  }

  /** A stream of its own for everybody, so that a run can be repeated. */
  random(name: string): Random {
    const random = this.#randoms.get(name) ?? seededRandom(this.seed, name);
    this.#randoms.set(name, random);
    return random;
  }

  chance(name: string, probability: number): boolean {
    return this.random(name)() < probability;
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimer(durationMs, resolve));
  }

  account(path: string): Account {
    const account = this.accounts.get(path) ?? { sent: 0, handled: 0, dead: 0 };
    this.accounts.set(path, account);
    return account;
  }

  count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  /** The number of a message that is about to be sent to `path`. */
  send(path: string): number {
    this.account(path).sent += 1;
    return ++this.#numbers;
  }

  handles(path: string, number: number): void {
    this.account(path).handled += 1;
    if (this.#handledNumbers.has(number)) this.wrongs.push(`${path}: message ${number} came twice`);
    this.#handledNumbers.add(number);
  }

  /** Counts all dead letters that concern `types`, by path; the system itself keeps only the newest. */
  countDeadLetters(system: System, types: readonly string[]): void {
    const { undelivered } = system as unknown as Runtime;
    const record = undelivered.record.bind(undelivered);
    undelivered.record = (path, type, reason) => {
      record(path, type, reason);
      this.count(`dead letter: ${reason}`);
      if (reason !== "late-reply" && types.includes(type)) this.account(path).dead += 1;
    };
  }

  enter(path: string): void {
    const inside = (this.#inside.get(path) ?? 0) + 1;
    this.#inside.set(path, inside);
    if (inside > 1) this.wrongs.push(`${path}: two handlers at once`);
  }

  leave(path: string): void {
    this.#inside.set(path, (this.#inside.get(path) ?? 0) - 1);
  }

  /** `isWanted`: its init was in time, so that it is the one that lives there now. */
  begins(path: string, incarnation: number, isWanted: boolean): Life {
    const life = { path, incarnation, stops: 0 };
    this.lives.push(life);
    if (!isWanted) return life;
    const living = (this.#living.get(path) ?? 0) + 1;
    this.#living.set(path, living);
    if (living > 1) this.wrongs.push(`${path}: two incarnations at once`);
    return life;
  }

  ends(life: Life, wasWanted: boolean): void {
    life.stops += 1;
    if (wasWanted) this.#living.set(life.path, (this.#living.get(life.path) ?? 0) - 1);
  }

  ask(promise: Promise<unknown>): void {
    this.asks += 1;
    this.openAsks += 1;
    const settled = () => {
      this.openAsks -= 1;
    };
    promise.then(settled, settled);
  }
}
