/**
 * What a thread has to say to its parent, gathered until the present turn of its event loop is over, so that
 * it costs one message. Whoever is about to keep the thread busy for long flushes before.
 */
import type { MessagePort } from "node:worker_threads";
import type { DeadLetterReason } from "../dead-letters.ts";
import type { FromThread, Outcome, Saying } from "./packet.ts";
import { barePlainError, type PlainError, toPlainError, whyNotCloneable } from "./plain-error.ts";

/** Sayings that may be on their way to the parent: as many as an ordinary mailbox holds. */
const mostUnheard = 10_000;

export class Outbox {
  readonly #port: MessagePort;
  /** A saying cannot be cloned, and is not said. */
  readonly #onUnsayable: (saying: Saying, error: Error) => void;
  #packet: FromThread | undefined;
  #unheard = 0;

  constructor(port: MessagePort, onUnsayable: (saying: Saying, error: Error) => void) {
    this.#port = port;
    this.#onUnsayable = onUnsayable;
  }

  get isEmpty(): boolean {
    return this.#packet === undefined;
  }

  say(saying: Saying): void {
    const packet = this.#open();
    packet.says ??= [];
    packet.says.push(saying);
    this.#unheard += 1;
  }

  /** Whether the parent is so far behind that a tell is refused, as by a full mailbox. */
  get isFull(): boolean {
    return this.#unheard >= mostUnheard;
  }

  heard(count: number): void {
    this.#unheard -= count;
  }

  /** One saying for many dead letters that are alike. */
  bury(path: string, type: string, reason: DeadLetterReason): void {
    const last = this.#packet?.says?.at(-1);
    const isAlike = last?.[0] === "dead" && last[1] === path && last[2] === type;
    if (isAlike && last[3] === reason) last[4] += 1;
    else this.say(["dead", path, type, reason, 1]);
  }

  answer(ask: number, outcome: Outcome, value: unknown): void {
    const packet = this.#open();
    packet.answers ??= [];
    packet.answers.push(ask, outcome, value);
  }

  /** The message of a slot is through, or was not begun since the parent took it back. */
  done(slot: number): void {
    const packet = this.#open();
    packet.done ??= [];
    packet.done.push(slot);
  }

  handled(): void {
    const packet = this.#open();
    packet.handled = (packet.handled ?? 0) + 1;
  }

  started(started: NonNullable<FromThread["started"]>): void {
    this.#open().started = started;
  }

  /** Said at once: nothing comes after it. */
  ended(reason: NonNullable<FromThread["ended"]>): void {
    this.#open().ended = reason;
    this.flush();
  }

  flush(): void {
    const packet = this.#packet;
    if (!packet) return;
    this.#packet = undefined;
    try {
      this.#port.postMessage(packet);
    } catch {
      this.#port.postMessage(this.#cloneable(packet));
    }
  }

  #open(): FromThread {
    if (!this.#packet) {
      this.#packet = {};
      setImmediate(() => this.flush());
    }
    return this.#packet;
  }

  /** The packet without what cannot be cloned: askers get an error instead of such an answer. */
  #cloneable(packet: FromThread): FromThread {
    const { says = [], answers = [], started, ended } = packet;
    const sayable = says.filter((saying) => {
      const error = whyNotCloneable(saying);
      if (!error) return true;
      this.#unheard -= 1;
      this.#onUnsayable(saying, error);
      return false;
    });
    const good: unknown[] = [];
    for (let at = 0; at < answers.length; at += 3) {
      const [ask, outcome, value] = answers.slice(at, at + 3);
      const error = whyNotCloneable(value);
      if (!error) good.push(ask, outcome, value);
      else if (outcome === "value") good.push(ask, "error", unanswerable(error));
      else good.push(ask, "error", barePlainError(value as PlainError));
    }
    return {
      ...packet,
      says: sayable,
      answers: good,
      ...(started?.kind === "failed" && {
        started: { ...started, error: barePlainError(started.error) },
      }),
      ...(ended?.kind === "error" && { ended: { ...ended, error: barePlainError(ended.error) } }),
    };
  }
}

const unanswerable = (error: Error): PlainError => ({
  ...toPlainError(error),
  message: `the answer cannot be sent from its thread: ${error.message}`,
});
