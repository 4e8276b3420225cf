/** One life of a supervisor, from its start to its stop; what waits in its name ends with it. */
import type { Clock } from "./clock.ts";

export interface Wait {
  /** True when the time has passed, false when the wait was cut short. */
  readonly elapsed: Promise<boolean>;
  cancel(): void;
}

export class SupervisorLife {
  readonly #clock: Clock;
  readonly #waits = new Set<Wait>();
  #phase: "starting" | "up" | "over" = "starting";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isStarting(): boolean {
    return this.#phase === "starting";
  }

  get isUp(): boolean {
    return this.#phase === "up";
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  becomeUp(): void {
    this.#phase = "up";
  }

  end(): void {
    this.#phase = "over";
    for (const wait of this.#waits) wait.cancel();
  }

  wait(delayMs: number): Wait {
    let settle: (hasElapsed: boolean) => void = () => undefined;
    const elapsed = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    const finish = (hasElapsed: boolean) => {
      cancelTimer();
      this.#waits.delete(wait);
      settle(hasElapsed);
    };
    const cancelTimer = this.#clock.setTimer(delayMs, () => finish(!this.isOver));
    const wait: Wait = { elapsed, cancel: () => finish(false) };
    this.#waits.add(wait);
    return wait;
  }
}
