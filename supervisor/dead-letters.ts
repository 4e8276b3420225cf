/**
 * What could not be delivered: counted by reason, the last ones kept without their bodies, and logged
 * at most once a second per reason. Written to by mailboxes, refs and asks; read by `tree` and status.
 */
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/**
 * - `no-such-actor`: nobody lives at that path.
 * - `stopped`: it was queued when the actor ended for good.
 * - `mailbox-full`: refused or dropped by a full mailbox.
 * - `fenced`: the sender is an incarnation that has ended.
 * - `stale-incarnation`: the pinned incarnation has ended.
 * - `late-reply`: an answer that nobody waits for any more.
 * - `expired`: a queued question whose asker had gone before its turn came.
 * - `unhandled`: the actor has no handler of that type.
 * - `no-connection`: the node of that actor is out of reach.
 * - `unsendable`: the body has no encoding.
 * - `invalid`: it came from another node and did not pass the check of its protocol.
 */
export type DeadLetterReason =
  | "no-such-actor"
  | "stopped"
  | "mailbox-full"
  | "fenced"
  | "stale-incarnation"
  | "late-reply"
  | "expired"
  | "unhandled"
  | "no-connection"
  | "unsendable"
  | "invalid";

export interface DeadLetter {
  readonly path: string;
  readonly type: string;
  readonly reason: DeadLetterReason;
  /** ms since 1970. */
  readonly occurredAt: number;
}

export interface DeadLetterSummary {
  readonly total: number;
  readonly byReason: Readonly<Partial<Record<DeadLetterReason, number>>>;
  /** The newest 100, oldest first. */
  readonly recent: readonly DeadLetter[];
}

const keptLetters = 100;
const quietMs = 1_000;

export class DeadLetters {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counts = new Map<DeadLetterReason, number>();
  readonly #loggedAtMs = new Map<DeadLetterReason, number>();
  readonly #unlogged = new Map<DeadLetterReason, number>();
  #ring: DeadLetter[] = [];
  #next = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  record(path: string, type: string, reason: DeadLetterReason): void {
    const letter = { path, type, reason, occurredAt: this.#clock.epochMs() };
    this.#ring[this.#next] = letter;
    this.#next = (this.#next + 1) % keptLetters;
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    this.#log(letter);
  }

  summary(): DeadLetterSummary {
    const recent = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return { total, byReason: Object.fromEntries(this.#counts), recent };
  }

  #log(letter: DeadLetter): void {
    const nowMs = this.#clock.monotonicMs();
    const loggedAtMs = this.#loggedAtMs.get(letter.reason);
    if (loggedAtMs !== undefined && nowMs - loggedAtMs < quietMs) {
      this.#unlogged.set(letter.reason, (this.#unlogged.get(letter.reason) ?? 0) + 1);
      return;
    }
    const alsoUnlogged = this.#unlogged.get(letter.reason) ?? 0;
    this.#loggedAtMs.set(letter.reason, nowMs);
    this.#unlogged.set(letter.reason, 0);
    const { path, type, reason } = letter;
    this.#logger.warn({ to: path, type, reason, alsoUnlogged }, "dead letter");
  }
}
