/**
 * The seam to nact, and all that is used of it: one flat nact actor per incarnation, whose only message
 * is a wake token. Mailboxes, supervision and asks are ours (see `docs/runtime-semantics.md` for why);
 * another dispatcher would replace this file alone.
 */
import { dispatch, type Ref, spawn, start, stop } from "nact";

/** Runs the turns of one incarnation, never two at once. */
export interface Runner {
  /** Asks for a turn. Several asks before it comes are one. */
  wake(): void;
  /** No further turn starts. */
  stop(): void;
}

export class Dispatcher {
  // nact gives a system a random 128-bit name of its own; a given name could collide in a process.
  readonly #system = start();
  readonly #onFault: (error: unknown) => void;
  #spawned = 0;

  /** `onFault` is told what a turn threw, which it must not. */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** `name` is for people; nact forbids most characters, and a counter makes it unique. */
  spawn(name: string, turn: () => Promise<void> | void): Runner {
    let isScheduled = false;
    const safeName = `${name.replace(/[^a-z0-9_-]/gi, "_").slice(-80)}.${++this.#spawned}`;
    const actor: Ref<"wake"> = spawn(
      this.#system,
      // Not async: a promise for each turn is a good part of what a message to a sleeping actor costs.
      (_state: undefined, _wake: "wake"): Promise<undefined> | undefined => {
        isScheduled = false;
        const fault = (error: unknown): undefined => {
          this.#onFault(error);
        };
        try {
          const waiting = turn();
          return waiting ? waiting.then(() => undefined, fault) : undefined;
        } catch (error) {
          return fault(error);
        }
      },
      safeName,
    );
    return {
      wake: () => {
        if (isScheduled) return;
        isScheduled = true;
        dispatch(actor, "wake");
      },
      stop: () => stop(actor),
    };
  }

  /** Forgets the nact system. Runners must have been stopped. */
  stop(): void {
    stop(this.#system);
  }
}
