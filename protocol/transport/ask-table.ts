/** The questions of one connection that wait for an answer, each with its deadline. Used by the connecting side. */
import { EndpointError } from "../../supervisor/index.ts";

interface Waiting {
  readonly type: string;
  readonly timer: NodeJS.Timeout;
  resolve(body: unknown): void;
  reject(error: EndpointError): void;
}

export class AskTable {
  readonly #waiting = new Map<number, Waiting>();
  #counter = 0;

  /** `correlation` goes with the question; `answer` settles when it comes back, or with `timeout`. */
  open(type: string, timeoutMs: number): { correlation: number; answer: Promise<unknown> } {
    this.#counter += 1;
    const correlation = this.#counter;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.settle(correlation, (waiting) => {
          waiting.reject(new EndpointError("timeout", `${type}: no answer in ${timeoutMs} ms`));
        });
      }, timeoutMs);
      this.#waiting.set(correlation, { type, timer, resolve, reject });
    });
    return { correlation, answer };
  }

  /** Forgets a question that was never sent; its `answer` stays pending. */
  withdraw(correlation: number): void {
    this.settle(correlation, () => undefined);
  }

  /** False where nobody waits (any more). */
  settle(correlation: number, how: (waiting: Waiting) => void): boolean {
    const waiting = this.#waiting.get(correlation);
    if (waiting === undefined) return false;
    this.#waiting.delete(correlation);
    clearTimeout(waiting.timer);
    how(waiting);
    return true;
  }

  rejectAll(code: "gone" | "closed", reason: string): void {
    for (const correlation of [...this.#waiting.keys()]) {
      this.settle(correlation, (waiting) => {
        waiting.reject(new EndpointError(code, `${waiting.type}: ${reason}`));
      });
    }
  }
}
