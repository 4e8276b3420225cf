/**
 * A look at an actor's state, or its replacement, between two messages: OTP's `sys:get_state` and
 * `sys:replace_state`. Calls travel on the mailbox's system lane, before everything else and also while
 * the actor is paused; one that finds no incarnation ready waits for the next. For diagnosis and tests.
 */
import type { AskOptions } from "./actor-ref.ts";
import { PendingAsk } from "./ask.ts";
import type { AskErrorCode } from "./ask-error.ts";
import type { Clock } from "./clock.ts";
import { toError } from "./exit-reason.ts";

/** What a call does with the state in force. */
type Access = (state: unknown, replace: (state: unknown) => void) => unknown;

/** What a snapshot is taken with; see `ActorBehaviour.snapshot`. */
type Snapshot = ((state: unknown) => unknown) | undefined;

export class StateCall {
  readonly #ask: PendingAsk;
  readonly #access: Access;

  constructor(ask: PendingAsk, access: Access) {
    this.#ask = ask;
    this.#access = access;
  }

  get promise(): Promise<unknown> {
    return this.#ask.promise;
  }

  /** Between two messages. What it throws is the asker's, not the actor's. */
  run(state: unknown, replace: (state: unknown) => void): void {
    if (this.#ask.isSettled) return;
    try {
      this.#ask.answer(this.#access(state, replace));
    } catch (thrown) {
      const error = toError(thrown);
      this.#ask.fail("failed", error.message, error);
    }
  }

  fail(code: AskErrorCode, why: string): void {
    this.#ask.fail(code, why);
  }
}

export function getState(
  clock: Clock,
  path: string,
  snapshot: Snapshot,
  options: AskOptions | undefined,
): StateCall {
  const ask = new PendingAsk(clock, path, "getState", options);
  return new StateCall(ask, (state) => (snapshot ? snapshot(state) : state));
}

export function replaceState(
  clock: Clock,
  path: string,
  change: (state: never) => unknown,
  options: AskOptions | undefined,
): StateCall {
  const ask = new PendingAsk(clock, path, "replaceState", options);
  return new StateCall(ask, (state, replace) => {
    const next: unknown = change(state as never);
    if (next === undefined) throw new TypeError("the new state is undefined");
    if (next instanceof Promise) {
      // Nobody will await it.
      next.catch(() => undefined);
      throw new TypeError("the new state is a promise: an actor's state is replaced at once");
    }
    replace(next);
    return next;
  });
}
