/**
 * Refs: a path, looked up at every message, so that restarts and successors of the same name are reached
 * and nothing is kept alive by being known. A pinned ref is for one incarnation only. Whether the path is
 * here or on another node (`NODE:/path`) makes no difference to who holds the ref.
 */
import type { ActorRef, AskOptions, TellResult } from "./actor-ref.ts";
import { PendingAsk } from "./ask.ts";
import type { DeadLetterReason } from "./dead-letters.ts";
import type { Envelope, Guard } from "./mailbox.ts";
import { isRemotePath } from "./nodes/nodes.ts";
import type { Receiver, Runtime } from "./runtime.ts";
import { currentScope } from "./scope.ts";

/** Why a message cannot go. */
interface Obstacle {
  readonly failure: Failure;
  readonly why: string;
}

type Failure = Extract<
  DeadLetterReason,
  "fenced" | "no-such-actor" | "stale-incarnation" | "invalid"
>;

class PathRef {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #guard: Guard | undefined;
  /** The incarnation that is meant, when only one is. */
  readonly #pinnedTo: number | undefined;
  /** Of another node, which knows who lives there. */
  readonly #remote: Receiver | undefined;

  constructor(runtime: Runtime, path: string, remote: Receiver | undefined, pinnedTo?: number) {
    this.path = path;
    this.#runtime = runtime;
    this.#remote = remote;
    this.#pinnedTo = pinnedTo;
    this.#guard =
      pinnedTo === undefined
        ? undefined
        : { admit: (incarnation) => (incarnation === pinnedTo ? "take" : "stale") };
  }

  tell(type: string, body?: unknown): TellResult {
    const receiver = this.#find(type, body);
    if ("failure" in receiver) return this.#dead(type, receiver.failure);
    const envelope = this.#seal(type, body, undefined);
    if ("failure" in envelope) return this.#dead(type, envelope.failure);
    return receiver.deliver(envelope);
  }

  async send(type: string, body?: unknown): Promise<TellResult> {
    const receiver = this.#find(type, body);
    if ("failure" in receiver) return this.#dead(type, receiver.failure);
    const envelope = this.#seal(type, body, undefined);
    if ("failure" in envelope) return this.#dead(type, envelope.failure);
    return receiver.deliverWhenRoom(envelope);
  }

  ask(type: string, body?: unknown, options?: AskOptions): Promise<unknown> {
    const ask = new PendingAsk(this.#runtime.clock, this.path, type, options);
    if (ask.isSettled) return ask.promise;
    const receiver = this.#find(type, body);
    const envelope = "failure" in receiver ? receiver : this.#seal(type, body, ask);
    if ("failure" in receiver) this.#fail(ask, type, receiver);
    else if ("failure" in envelope) this.#fail(ask, type, envelope);
    else receiver.deliver(envelope);
    return ask.promise;
  }

  toString(): string {
    return this.path;
  }

  /** Who is to get it, looked up anew for each message. */
  #find(type: string, body: unknown): Receiver | Obstacle {
    const scope = currentScope();
    if (scope && !scope.isLive) return endedSender;
    const { tracer, receivers } = this.#runtime;
    if (tracer.isActive && scope) {
      const { path, number: incarnation } = scope.owner;
      const id = path.slice(path.lastIndexOf("/") + 1);
      tracer.emit(id, { direction: "tell", path, incarnation, to: this.path, type, body });
    }
    const receiver = this.#remote ?? receivers.get(this.path);
    if (!receiver?.isOpen) return this.#guard ? endedIncarnation : nobody;
    if (this.#pinnedTo !== undefined) {
      const isThere = this.#pinnedTo > 0 && receiver.incarnationNumber === this.#pinnedTo;
      if (!isThere) return endedIncarnation;
    }
    return receiver;
  }

  #seal(type: string, body: unknown, ask: PendingAsk | undefined): Envelope | Obstacle {
    const { border, freezesMessages } = this.#runtime;
    let crossed = body;
    if (border && !this.#remote) {
      const checked = border.body(this.path, type, body);
      if (checked?.ok === false) return { failure: "invalid", why: checked.reason };
      if (checked) crossed = checked.value;
      if (ask) ask.checkAnswer = (value) => border.reply(this.path, type, value);
    }
    if (freezesMessages) freezePlain(crossed);
    return { type, body: crossed, ask, guard: this.#guard };
  }

  #fail(ask: PendingAsk, type: string, { failure, why }: Obstacle): void {
    this.#dead(type, failure);
    ask.fail(failure === "fenced" ? "aborted" : failure === "invalid" ? "failed" : "dead", why);
  }

  #dead(type: string, reason: DeadLetterReason): TellResult {
    this.#runtime.undelivered.record(this.path, type, reason);
    return "dead";
  }
}

const endedSender = { failure: "fenced", why: "the asker has ended" } as const;
const nobody = { failure: "no-such-actor", why: "nobody lives there" } as const;
const endedIncarnation = {
  failure: "stale-incarnation",
  why: "that incarnation has ended",
} as const;

/** Only what surely is a message: freezing a Buffer throws, freezing somebody's object would be rude. */
function freezePlain(body: unknown): void {
  if (typeof body !== "object" || body === null) return;
  const prototype: unknown = Object.getPrototypeOf(body);
  if (prototype === Object.prototype || prototype === null || Array.isArray(body)) {
    Object.freeze(body);
  }
}

/** The protocol is checked where the ref is used; at run time any type may be sent. */
export function makeRef<M>(runtime: Runtime, path: string): ActorRef<M> {
  return new PathRef(runtime, path, runtime.remoteNodes.receiver(path)) as unknown as ActorRef<M>;
}

/** A ref to the incarnation that lives at the path now, or when its node hears of it. */
export function makePinnedRef<M>(runtime: Runtime, path: string): ActorRef<M> {
  const ref = isRemotePath(path)
    ? new PathRef(runtime, path, runtime.remoteNodes.pinned(path))
    : new PathRef(runtime, path, undefined, runtime.receivers.get(path)?.incarnationNumber ?? 0);
  return ref as unknown as ActorRef<M>;
}
