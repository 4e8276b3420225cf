/**
 * What the model of the supervisor knows besides its tree: time, the journal, dead letters, watches,
 * answers. Everything happens at once and in order; only restarts wait, on timers.
 */
import type { DeadLetterReason } from "../../../supervisor/index.ts";

/** What an init does that is told beforehand; without a word it succeeds. */
export type InitOutcome = "throw" | "ignore";

/** Why somebody ended; `gave up` is `shutdown` with a cause. */
export type End = "normal" | "shutdown" | "gave up" | "error";

export interface Message {
  readonly number: number;
  readonly what: "note" | "throw" | "reject" | "normal" | "shutdown";
  readonly isAsked: boolean;
}

interface ModelTimer {
  readonly dueAtMs: number;
  readonly callback: () => void;
}

export class ModelWorld {
  nowMs = 0;
  /** Counted over the whole system; the first belongs to the watcher, which the model leaves out. */
  incarnations = 1;
  /** `init PATH` and `stop PATH END` in their order. */
  readonly journal: string[] = [];
  /** What the watcher was told, in order. */
  readonly saw: string[] = [];
  /** Numbers of the messages that each path has handled, in order. */
  readonly handled = new Map<string, number[]>();
  /** How each question ended. */
  readonly answers = new Map<number, string>();
  readonly inits = new Map<string, InitOutcome[]>();
  readonly #deadLetters = new Map<DeadLetterReason, number>();
  readonly #watched = new Set<string>();
  #timers: ModelTimer[] = [];

  /** Returns what takes the timer back. */
  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueAtMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** The earliest first, of two at one instant the one that was set first; `settle` after each. */
  advance(byMs: number, settle: () => void): void {
    const untilMs = this.nowMs + byMs;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.dueAtMs <= untilMs);
      const dueAtMs = Math.min(...due.map((timer) => timer.dueAtMs));
      const next = due.find((timer) => timer.dueAtMs === dueAtMs);
      if (!next) break;
      this.nowMs = dueAtMs;
      this.#timers = this.#timers.filter((other) => other !== next);
      next.callback();
      settle();
    }
    this.nowMs = untilMs;
  }

  deadLetter(reason: DeadLetterReason): void {
    this.#deadLetters.set(reason, (this.#deadLetters.get(reason) ?? 0) + 1);
  }

  get deadLetters(): Record<string, number> {
    return Object.fromEntries(this.#deadLetters);
  }

  answer({ number, isAsked }: Message, outcome: string): void {
    if (isAsked) this.answers.set(number, outcome);
  }

  watch(path: string, isAlive: boolean): void {
    if (isAlive) this.#watched.add(path);
    else if (!this.#watched.has(path)) this.saw.push(`${path} #0 noproc`);
  }

  terminated(path: string, incarnation: number, end: End): void {
    if (this.#watched.delete(path)) this.saw.push(`${path} #${incarnation} ${end}`);
  }
}
