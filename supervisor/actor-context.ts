/**
 * What a handler can do besides returning an answer. One context lives as long as one incarnation; the
 * types are here, `incarnation-context.ts` builds it.
 */
import type { ActorRef, AnyRef, BodyArgs, MessageType } from "./actor-ref.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Terminated } from "./exit-reason.ts";
import type { Logger } from "./logger.ts";
import type { Listing } from "./registry.ts";

export interface Timer {
  cancel(): void;
}

/** An answer that is given later. The first of `resolve` and `reject` counts, the rest is ignored. */
export interface Deferred<R = unknown> {
  resolve(value: R): void;
  /** A `Refusal` reaches the asker as it is, another error as AskError `failed`; this actor lives on. */
  reject(error: Error): void;
  /** Aborted when the asker waits no longer. */
  readonly signal: AbortSignal;
}

/** The messages of `M` that can carry a `Terminated`. */
export type WatchType<M> = {
  [K in MessageType<M>]: M[K] extends (...body: infer B) => unknown
    ? B extends readonly [unknown, ...unknown[]]
      ? Terminated extends B[0]
        ? K
        : never
      : never
    : never;
}[MessageType<M>];

/** The messages of `M` that can carry a `Listing`. */
export type ListingType<M> = {
  [K in MessageType<M>]: M[K] extends (...body: infer B) => unknown
    ? B extends readonly [infer Body, ...unknown[]]
      ? Body extends { readonly name: string; readonly refs: readonly AnyRef[] }
        ? K
        : never
      : never
    : never;
}[MessageType<M>];

export interface ActorContext<M> {
  readonly self: ActorRef<M>;
  readonly path: string;
  /** Counted over the whole system, so that {path, incarnation} is never used twice. */
  readonly incarnation: number;
  readonly log: Logger;
  /** Aborted when this incarnation is told to stop, crashes or is fenced. Pass it to whatever waits. */
  readonly signal: AbortSignal;
  /** Aborted when the asker of the message in hand waits no longer; never for a told message. */
  readonly askSignal: AbortSignal;
  /** Whether PAUSE is in force for this actor. */
  readonly paused: boolean;

  ref<N>(path: string): ActorRef<N>;
  /** A ref to the present incarnation only: what is told to it after that one's end is a dead letter. */
  pin<N>(ref: ActorRef<N>): ActorRef<N>;

  /**
   * Starts a child of a supervisor, after its others, and waits until it is ready. As OTP's
   * `supervisor:start_child`: it is then a child as any other, but gone when the supervisor itself
   * restarts. A child of a dynamic supervisor is also gone once it has ended.
   *
   * @throws SupervisionError `malformed`, `already_started`, `already_present` (a stopped child of that
   * id keeps its spec: `restartChild` or `deleteChild`), `not_found`, `not_running`, `init-timeout`,
   * `stopped`; or whatever the child's `init` threw. The child is then not there.
   */
  startChild<N>(supervisorPath: string, spec: ChildSpec<N>): Promise<ActorRef<N>>;
  /**
   * Stops a child until `restartChild`, or until its supervisor restarts. Nothing happens where nobody
   * lives. Under a dynamic supervisor, or where it is temporary, the child is gone.
   */
  stopChild(path: string): Promise<void>;
  /**
   * Starts a stopped child from its spec (OTP's `supervisor:restart_child`), also one that ended by
   * itself or said IGNORE, and waits until it is ready. Spends nothing of the restart intensity.
   *
   * @throws SupervisionError `not_found`, `running`, `restarting`, `not_running`, `init-timeout`,
   * `stopped`; or whatever `init` threw. The child then stays stopped.
   */
  restartChild<N>(path: string): Promise<ActorRef<N>>;
  /**
   * Forgets a stopped child and its spec (OTP's `supervisor:delete_child`). One of the specs that the
   * supervisor was made with is back when the supervisor itself restarts.
   *
   * @throws SupervisionError `not_found`, `running`, `restarting`.
   */
  deleteChild(path: string): void;

  /** Sends one `type` message with a `Terminated` when `ref` ends for good; twice is as once. */
  watch(ref: AnyRef, type: WatchType<M>): void;
  /** After this no `Terminated` of `ref` arrives, not even one that was on its way. */
  unwatch(ref: AnyRef): void;

  /**
   * Gives this actor a name, until it ends for good; a restart changes nothing. Others may have the same.
   *
   * @throws SupervisionError `malformed` (no name), `stopped` (this incarnation has ended).
   */
  register(name: string): void;
  unregister(name: string): void;
  /** Who has a name now. */
  listing<N>(name: string): Listing<N>;
  /**
   * Sends one `type` message with a `Listing` at once, and one after each change; where several changes
   * come before it is handled, one tells them all. Ends with the incarnation; twice is as once.
   */
  subscribe(name: string, type: ListingType<M>): void;
  /** After this no `Listing` of that name arrives, not even one that was on its way. */
  unsubscribe(name: string): void;

  /** A message to self after a while. Ends with the incarnation. */
  after<K extends MessageType<M>>(delayMs: number, type: K, ...body: BodyArgs<M[K]>): Timer;
  /** A message to self again and again; never more than one of it waits in the mailbox. */
  every<K extends MessageType<M>>(intervalMs: number, type: K, ...body: BodyArgs<M[K]>): Timer;

  /** Background work: its rejection is this actor's crash (ignored once the incarnation has ended). */
  run(work: (signal: AbortSignal) => Promise<void>): void;
  /** For event handlers: what they throw is this actor's crash. Does nothing once fenced. */
  bind<Args extends unknown[]>(
    callback: (...args: Args) => void | Promise<void>,
  ): (...args: Args) => void;
  /** Takes the question in hand to answer it later: `const d = ctx.defer(); …; return d;` */
  defer<R = unknown>(): Deferred<R>;

  /**
   * Selective receive: while held, user messages wait in the mailbox (within its bound) and only lifecycle
   * and control messages are handled. Ends with the incarnation; twice is as once.
   */
  hold(isHeld: boolean): void;

  /** An outage as a state: shown in the tree, costs no restart. */
  degraded(reason: string): void;
  healthy(): void;

  /** Ends this actor after the message in hand. Default `normal`. */
  exit(reason?: "normal" | "shutdown"): void;
}
