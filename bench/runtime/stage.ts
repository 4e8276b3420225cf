/**
 * Where the contenders of the bench `runtime` play: a system of ours, one of raw nact, and a plain queue.
 * Each play begins with a new one and ends it.
 */
import { type ActorSystemRef, start, stop } from "nact";
import {
  type ChildSpec,
  type Clock,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";

/** Names in the tables; `production`: bodies are not frozen, as with NODE_ENV=production. */
export const RUNTIME = "runtime";
export const PRODUCTION = "runtime, production";
export const NACT = "nact";
export const PLAIN = "plain queue";
export const PLAIN_MICROTASKS = "plain queue, microtasks";
export const XSTATE = "xstate";

interface StageOptions {
  /** Default true. */
  readonly freezes?: boolean;
  readonly clock?: Clock;
}

/** Children crash on purpose in one of the questions: no restart is one too many. */
const patience = {
  intensity: { restarts: 1_000_000, withinMs: 1_000 },
  backoff: { minMs: 0.001, maxMs: 0.001, resetAfterMs: 1 },
};

export async function withSystem<T>(
  children: readonly ChildSpec[],
  play: (system: System) => Promise<T>,
  { freezes = true, clock }: StageOptions = {},
): Promise<T> {
  const system = await startSystem({
    name: "bench",
    logger: silentLogger,
    root: supervisor("root", patience, children),
    freezeMessages: freezes,
    ...(clock && { clock }),
  });
  try {
    return await play(system);
  } finally {
    await system.stop();
  }
}

export async function withNact<T>(play: (system: ActorSystemRef) => Promise<T>): Promise<T> {
  const system = start();
  try {
    return await play(system);
  } finally {
    stop(system);
  }
}

/** What one would write without a library: no failure is handled, nothing is bounded, nobody yields. */
export class PlainActor<M> {
  readonly #handle: (message: M) => void;
  readonly #schedule: (turn: () => void) => void;
  #queue: M[] = [];
  #isScheduled = false;

  constructor(handle: (message: M) => void, schedule: (turn: () => void) => void = setImmediate) {
    this.#handle = handle;
    this.#schedule = schedule;
  }

  send(message: M): void {
    this.#queue.push(message);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#schedule(this.#turn);
  }

  readonly #turn = (): void => {
    const queue = this.#queue;
    this.#queue = [];
    this.#isScheduled = false;
    for (const message of queue) this.#handle(message);
  };
}

/** A rate of `count` things since `startedAtMs` of `performance.now()`. */
export const perSecond = (count: number, startedAtMs: number): number =>
  (count / (performance.now() - startedAtMs)) * 1_000;
