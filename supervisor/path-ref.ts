/**
 * Refs: a path, looked up at every message, so that restarts and successors of the same name are reached
 * and nothing is kept alive by being known. A pinned ref is for one incarnation only.
 */
import type { ActorRef, AskOptions, TellResult } from "./actor-ref.ts";
import { PendingAsk } from "./ask.ts";
import type { DeadLetterReason } from "./dead-letters.ts";
import type { Envelope, Guard } from "./mailbox.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { currentScope } from "./scope.ts";

class PathRef {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #guard: Guard | undefined;
  /** The incarnation that is meant, when only one is. */
  readonly #pinnedTo: number | undefined;

  constructor(runtime: Runtime, path: string, pinnedTo?: number) {
    this.path = path;
    this.#runtime = runtime;
    this.#pinnedTo = pinnedTo;
    this.#guard =
      pinnedTo === undefined
        ? undefined
        : { admit: (incarnation) => (incarnation === pinnedTo ? "take" : "stale") };
  }

  tell(type: string, body?: unknown): TellResult {
    const receiver = this.#receiver(type, body);
    if (typeof receiver === "string") return this.#dead(type, receiver);
    return receiver.deliver(this.#envelope(type, body, undefined));
  }

  async send(type: string, body?: unknown): Promise<TellResult> {
    const receiver = this.#receiver(type, body);
    if (typeof receiver === "string") return this.#dead(type, receiver);
    return receiver.deliverWhenRoom(this.#envelope(type, body, undefined));
  }

  ask(type: string, body?: unknown, options?: AskOptions): Promise<unknown> {
    const ask = new PendingAsk(this.#runtime.clock, this.path, type, options);
    if (ask.isSettled) return ask.promise;
    const receiver = this.#receiver(type, body);
    if (typeof receiver === "string") {
      this.#dead(type, receiver);
      const isOwnEnd = receiver === "fenced";
      ask.fail(isOwnEnd ? "aborted" : "dead", isOwnEnd ? "the asker has ended" : whyDead[receiver]);
    } else {
      receiver.deliver(this.#envelope(type, body, ask));
    }
    return ask.promise;
  }

  toString(): string {
    return this.path;
  }

  #receiver(
    type: string,
    body: unknown,
  ): Receiver | "fenced" | "no-such-actor" | "stale-incarnation" {
    const scope = currentScope();
    if (scope && !scope.isLive) return "fenced";
    const { tracer, receivers } = this.#runtime;
    if (tracer.isActive && scope) {
      const { path, number: incarnation } = scope.owner;
      const id = path.slice(path.lastIndexOf("/") + 1);
      tracer.emit(id, { direction: "tell", path, incarnation, to: this.path, type, body });
    }
    const receiver = receivers.get(this.path);
    if (!receiver?.isOpen) return this.#guard ? "stale-incarnation" : "no-such-actor";
    if (this.#pinnedTo === undefined) return receiver;
    const isThere = this.#pinnedTo > 0 && receiver.incarnationNumber === this.#pinnedTo;
    return isThere ? receiver : "stale-incarnation";
  }

  #envelope(type: string, body: unknown, ask: PendingAsk | undefined): Envelope {
    if (this.#runtime.freezesMessages) freezePlain(body);
    return { type, body, ask, guard: this.#guard };
  }

  #dead(type: string, reason: DeadLetterReason): TellResult {
    this.#runtime.undelivered.record(this.path, type, reason);
    return "dead";
  }
}

const whyDead = {
  "no-such-actor": "nobody lives there",
  "stale-incarnation": "that incarnation has ended",
};

/** Only what surely is a message: freezing a Buffer throws, freezing somebody's object would be rude. */
function freezePlain(body: unknown): void {
  if (typeof body !== "object" || body === null) return;
  const prototype: unknown = Object.getPrototypeOf(body);
  if (prototype === Object.prototype || prototype === null || Array.isArray(body)) {
    Object.freeze(body);
  }
}

/** The protocol is checked where the ref is used; at run time any type may be sent. */
export function makeRef<M>(runtime: Runtime, path: string, pinnedTo?: number): ActorRef<M> {
  return new PathRef(runtime, path, pinnedTo) as unknown as ActorRef<M>;
}
