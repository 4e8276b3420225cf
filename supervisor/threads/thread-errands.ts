/**
 * Does in the parent what a threaded actor says to others: its tells, asks and watches, its log, its dead
 * letters. Everything is done in the name of its incarnation, so that what a fenced one says is refused.
 */
import type { UntypedContext } from "../actor-definition.ts";
import type { ActorRef, AnyRef } from "../actor-ref.ts";
import type { DeadLetterReason } from "../dead-letters.ts";
import { toError } from "../exit-reason.ts";
import type { IncarnationHost } from "../incarnation-host.ts";
import { currentScope, inScope, type Scope } from "../scope.ts";
import type { Saying, ToThread } from "./packet.ts";
import {
  barePlainError,
  fromPlainError,
  type PlainError,
  toPlainError,
  whyNotCloneable,
} from "./plain-error.ts";

/** The type under which the parent's incarnation gets the ends that its actor watches. */
export const TERMINATED = "(terminated)";

/** The thread is told of its sayings in such lots: see `mostUnheard`. */
const heardAtLeast = 500;

/** Any message to anybody: what is said was checked where the actor was compiled. */
type LooseRef = {
  tell(type: string, body: unknown): unknown;
  send(type: string, body: unknown): Promise<unknown>;
  ask(type: string, body: unknown, options: object): Promise<unknown>;
};
type LooseContext = { watch(ref: AnyRef, type: string): void };

export class ThreadErrands {
  readonly #ctx: UntypedContext;
  readonly #post: (packet: ToThread) => void;
  /** Questions of the actor's that wait for their answers. */
  readonly #asks = new Map<number, AbortController>();
  #scope: Scope | undefined = currentScope();
  /** In force once the thread has begun to end. */
  #closingScope: Scope | undefined;
  #host: IncarnationHost | undefined;
  #early: Saying[] = [];
  #answers: unknown[] = [];
  /** Sayings that the thread has not been told of. */
  #heard = 0;
  #isOver = false;

  constructor(ctx: UntypedContext, post: (packet: ToThread) => void) {
    this.#ctx = ctx;
    this.#post = post;
  }

  attach(host: IncarnationHost): void {
    this.#host = host;
    for (const saying of this.#early.splice(0)) this.#perform(saying);
  }

  perform(says: readonly Saying[]): void {
    for (const saying of says) {
      if (this.#scope) inScope(this.#scope, () => this.#perform(saying));
      else this.#perform(saying);
    }
    this.#heard += says.length;
    if (this.#heard < heardAtLeast || this.#isOver) return;
    this.#post({ heard: this.#heard });
    this.#heard = 0;
  }

  /**
   * `stop` is about to run in the thread, in the present scope. After a crash (`isFenced`) that scope holds
   * only for what the thread says once it has heard of it.
   */
  closing(isFenced: boolean): void {
    if (isFenced) this.#closingScope = currentScope();
    else this.#scope = currentScope();
  }

  /** Nobody is there any more who could use an answer. */
  end(): void {
    this.#isOver = true;
    for (const controller of this.#asks.values()) controller.abort();
    this.#asks.clear();
  }

  #perform(saying: Saying): void {
    switch (saying[0]) {
      case "tell":
        this.#ref(saying[1]).tell(saying[2], saying[3]);
        return;
      case "send": {
        const [, call, path, type, body] = saying;
        this.#answerWith(call, this.#ref(path).send(type, body));
        return;
      }
      case "ask": {
        const [, call, path, type, timeoutMs, body] = saying;
        const controller = new AbortController();
        this.#asks.set(call, controller);
        const { signal } = controller;
        this.#answerWith(call, this.#ref(path).ask(type, body, { timeoutMs, signal }));
        return;
      }
      case "giveUp":
        this.#asks.get(saying[1])?.abort();
        return;
      case "watch":
        (this.#ctx as unknown as LooseContext).watch(this.#ctx.ref(saying[1]), TERMINATED);
        return;
      case "unwatch":
        this.#ctx.unwatch(this.#ctx.ref(saying[1]));
        return;
      case "register":
        this.#register(saying[1]);
        return;
      case "unregister":
        this.#ctx.unregister(saying[1]);
        return;
      case "log": {
        const [, level, fields, errors, message] = saying;
        const line: Record<string, unknown> = { ...fields };
        for (const [key, error] of Object.entries(errors)) line[key] = fromPlainError(error);
        this.#ctx.log[level](line, message);
        return;
      }
      case "closing":
        if (this.#closingScope) this.#scope = this.#closingScope;
        return;
      case "dead":
        if (!this.#host) this.#early.push(saying);
        else this.#bury(saying[1], saying[2], saying[3], saying[4], this.#host);
        return;
      case "degraded":
        if (saying[1] === undefined) this.#ctx.healthy();
        else this.#ctx.degraded(saying[1]);
        return;
    }
  }

  #bury(path: string, type: string, why: DeadLetterReason, count: number, host: IncarnationHost) {
    for (let n = 0; n < count; n++) host.runtime.undelivered.record(path, type, why);
  }

  #register(name: string): void {
    try {
      this.#ctx.register(name);
    } catch (thrown) {
      // Whoever said it has gone on long since.
      this.#ctx.log.error({ err: toError(thrown), name }, "cannot be registered");
    }
  }

  #ref(path: string): LooseRef {
    return this.#ctx.ref(path) as ActorRef<object> as unknown as LooseRef;
  }

  #answerWith(call: number, answer: Promise<unknown>): void {
    answer.then(
      (value) => this.#answered(call, true, value),
      (thrown: unknown) => this.#answered(call, false, toPlainError(thrown)),
    );
  }

  /** All answers of one turn of the event loop go together. */
  #answered(call: number, isValue: boolean, value: unknown): void {
    this.#asks.delete(call);
    if (this.#isOver) return;
    if (this.#answers.length === 0) setImmediate(() => this.#flush());
    this.#answers.push(call, isValue, value);
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (this.#isOver) return;
    try {
      this.#post({ answers });
    } catch {
      for (let at = 0; at < answers.length; at += 3) this.#flushOne(answers.slice(at, at + 3));
    }
  }

  #flushOne([call, isValue, value]: unknown[]): void {
    const error = whyNotCloneable(value);
    if (!error) this.#post({ answers: [call, isValue, value] });
    else if (isValue) this.#post({ answers: [call, false, toPlainError(toError(error))] });
    else this.#post({ answers: [call, false, barePlainError(value as PlainError)] });
  }
}
