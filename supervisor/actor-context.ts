/**
 * What a handler can do besides returning an answer. One context lives as long as one incarnation; the
 * types are here, `incarnation-context.ts` builds it.
 */
import type { ActorRef, AnyRef, BodyArgs, MessageType } from "./actor-ref.ts";
import type { ChildSpec } from "./child-spec.ts";
import type { Terminated } from "./exit-reason.ts";
import type { Logger } from "./logger.ts";

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
   * Starts a child of a dynamic supervisor and waits until it is ready.
   *
   * @throws SupervisionError `malformed`, `already_started`, `not_found`, `not_dynamic`, `not_running`,
   * `init-timeout`, `stopped`; or whatever the child's `init` threw. The child is then not there.
   */
  startChild<N>(supervisorPath: string, spec: ChildSpec<N>): Promise<ActorRef<N>>;
  /** Stops a child for good. Nothing happens where nobody lives. */
  stopChild(path: string): Promise<void>;

  /** Sends one `type` message with a `Terminated` when `ref` ends for good; twice is as once. */
  watch(ref: AnyRef, type: WatchType<M>): void;
  /** After this no `Terminated` of `ref` arrives, not even one that was on its way. */
  unwatch(ref: AnyRef): void;

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

  /** An outage as a state: shown in the tree, costs no restart. */
  degraded(reason: string): void;
  healthy(): void;

  /** Ends this actor after the message in hand. Default `normal`. */
  exit(reason?: "normal" | "shutdown"): void;
}
