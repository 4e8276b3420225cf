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

/** What a message becomes on its way: itself, or the reason why it cannot go. */
type Posting =
  | { readonly receiver: Receiver; readonly envelope: Envelope }
  | { readonly failure: Failure; readonly why: string };

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
    const posting = this.#address(type, body, undefined);
    if ("failure" in posting) return this.#dead(type, posting.failure);
    return posting.receiver.deliver(posting.envelope);
  }

  async send(type: string, body?: unknown): Promise<TellResult> {
    const posting = this.#address(type, body, undefined);
    if ("failure" in posting) return this.#dead(type, posting.failure);
    return posting.receiver.deliverWhenRoom(posting.envelope);
  }

  ask(type: string, body?: unknown, options?: AskOptions): Promise<unknown> {
    const ask = new PendingAsk(this.#runtime.clock, this.path, type, options);
    if (ask.isSettled) return ask.promise;
    const posting = this.#address(type, body, ask);
    if ("failure" in posting) {
      const { failure, why } = posting;
      this.#dead(type, failure);
      ask.fail(failure === "fenced" ? "aborted" : failure === "invalid" ? "failed" : "dead", why);
    } else {
      posting.receiver.deliver(posting.envelope);
    }
    return ask.promise;
  }

  toString(): string {
    return this.path;
  }

  #address(type: string, body: unknown, ask: PendingAsk | undefined): Posting {
    const scope = currentScope();
    if (scope && !scope.isLive) return endedSender;
    const { tracer, receivers, border, freezesMessages } = this.#runtime;
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
    let crossed = body;
    if (border && !this.#remote) {
      const checked = border.body(this.path, type, body);
      if (checked?.ok === false) return { failure: "invalid", why: checked.reason };
      if (checked) crossed = checked.value;
      if (ask) ask.checkAnswer = (value) => border.reply(this.path, type, value);
    }
    if (freezesMessages) freezePlain(crossed);
    return { receiver, envelope: { type, body: crossed, ask, guard: this.#guard } };
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
