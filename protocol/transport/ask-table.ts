/** The questions of one connection that wait for an answer, each with its deadline. Used by the connecting side. */
import {
  type Deadline,
  type Due,
  EndpointError,
  setDeadline,
  systemClock,
} from "../../supervisor/index.ts";

interface Waiting {
  readonly type: string;
  resolve(body: unknown): void;
  reject(error: EndpointError): void;
}

class Question implements Waiting, Due {
  readonly type: string;
  readonly answer: Promise<unknown>;
  readonly deadline: Deadline;
  resolve!: (body: unknown) => void;
  reject!: (error: EndpointError) => void;
  readonly #table: AskTable;
  readonly #correlation: number;
  readonly #timeoutMs: number;

  constructor(table: AskTable, correlation: number, type: string, timeoutMs: number) {
    this.type = type;
    this.#table = table;
    this.#correlation = correlation;
    this.#timeoutMs = timeoutMs;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Hundreds at once wait equally long: a timer for each would cost more than the rest of the question.
    this.deadline = setDeadline(systemClock, timeoutMs, this);
  }

  deadlinePassed(): void {
    const text = `${this.type}: no answer in ${this.#timeoutMs} ms`;
    this.#table.settle(this.#correlation, (waiting) => {
      waiting.reject(new EndpointError("timeout", text));
    });
  }
}

export class AskTable {
  readonly #waiting = new Map<number, Question>();
  #counter = 0;

  /** `correlation` goes with the question; `answer` settles when it comes back, or with `timeout`. */
  open(type: string, timeoutMs: number): { correlation: number; answer: Promise<unknown> } {
    this.#counter += 1;
    const correlation = this.#counter;
    const question = new Question(this, correlation, type, timeoutMs);
    this.#waiting.set(correlation, question);
    return { correlation, answer: question.answer };
  }

  /** Forgets a question that was never sent; its `answer` stays pending. */
  withdraw(correlation: number): void {
    this.settle(correlation, () => undefined);
  }

  /** False where nobody waits (any more). */
  settle(correlation: number, how: (waiting: Waiting) => void): boolean {
    const question = this.#waiting.get(correlation);
    if (question === undefined) return false;
    this.#waiting.delete(correlation);
    question.deadline.cancel();
    how(question);
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
