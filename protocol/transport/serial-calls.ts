/**
 * Calls an endpoint's handlers in order, one at a time, never from inside one another: what happens
 * during a call (a drop, say, that ends a session) is told after it. What a handler throws stays here.
 */
export class SerialCalls {
  readonly #waiting: (() => void)[] = [];
  readonly #threw: (error: unknown) => void;
  #isCalling = false;

  constructor(threw: (error: unknown) => void) {
    this.#threw = threw;
  }

  run(call: () => void): void {
    this.#waiting.push(call);
    this.#drain();
  }

  /** For what the owner itself brings about: never runs inside the caller's own frame. */
  runSoon(call: () => void): void {
    this.#waiting.push(call);
    queueMicrotask(() => {
      this.#drain();
    });
  }

  #drain(): void {
    if (this.#isCalling) return;
    this.#isCalling = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        next();
      } catch (error) {
        this.#threw(error);
      }
    }
    this.#isCalling = false;
  }
}
