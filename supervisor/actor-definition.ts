/**
 * How an actor is declared: protocol, fresh state per incarnation, one handler per message, what it
 * does when it is paused or stopped, the bound of its mailbox. Every task is one `defineActor`; what
 * `ctx` can do is in `actor-context.ts`.
 */
import type { ActorContext, Deferred } from "./actor-context.ts";
import type { Body, Reply } from "./actor-ref.ts";
import { type ActorDefinition, type AnyDefinition, behaviour } from "./child-spec.ts";
import type { ExitReason } from "./exit-reason.ts";
import type { IncarnationHost } from "./incarnation-host.ts";
import type { Loop } from "./loop.ts";
import type { LoopOwner } from "./message-loop.ts";

/** Returned by `init` to say: nothing to do here, go on without me. The child is listed as stopped. */
export const IGNORE: unique symbol = Symbol("supervisor.ignore");

/**
 * What PAUSE means to an actor.
 * - `never`: nothing (the default).
 * - `drain`: it goes on handling messages but starts nothing new; it learns of it in `pauseChanged`.
 * - `park`: the message in hand is finished, the mailbox keeps what arrives until RESUME.
 */
export type PauseKind = "never" | "drain" | "park";

/**
 * What happens to a message that finds the mailbox full: `reject` tells the sender (`rejected`),
 * `drop-new` loses it (`dropped`), `drop-oldest` loses the oldest queued one instead, `wait` makes
 * askers wait for room (a plain `tell` cannot wait and is `rejected`).
 */
export type Overflow = "reject" | "drop-new" | "drop-oldest" | "wait";

type Awaitable<T> = T | Promise<T>;
type Ignore = typeof IGNORE;

/** A state of `undefined` need not be returned. */
type InitResult<State> =
  | Awaitable<State | Ignore>
  | (undefined extends State ? Promise<void> : never);

export type Handlers<M extends object, State> = {
  readonly [K in keyof M]: (
    state: State,
    body: Body<M[K]>,
    ctx: ActorContext<M>,
  ) => Awaitable<Reply<M, K> | Deferred<Reply<M, K>>> | Deferred<Reply<M, K>>;
};

export interface ActorBehaviour<M extends object, Args, State> {
  /** The role, in plain words: "gives builds to slaves". */
  readonly name: string;
  readonly pause?: PauseKind;
  readonly mailbox?: {
    /** Messages that may wait. Default 10,000. */
    readonly bound?: number;
    /** Default `reject`. */
    readonly overflow?: Overflow;
  };
  /** Message types that overtake the others and ignore the mailbox's bound and PAUSE. */
  readonly control?: readonly (keyof M & string)[];
  /** A handler that has not settled by then is fenced and the actor restarts. Default 60,000; 0: never. */
  readonly handlerTimeoutMs?: number;
  /** Makes the state of one incarnation. Its siblings after it start only when it has settled. */
  init(ctx: ActorContext<M>, args: Args): InitResult<State>;
  /** One at a time; an error that is no `Refusal` is a crash. */
  readonly handle: Handlers<M, State>;
  /** Told between two messages, also to a new incarnation of an actor that is paused. */
  pauseChanged?(state: State, paused: boolean, ctx: ActorContext<M>): Awaitable<void>;
  /**
   * What `system.getState` shows instead of the state itself: plain values, without secrets. Must return
   * at once and change nothing. A throw rejects whoever asked.
   */
  snapshot?(state: State): unknown;
  /** Gives back what `init` took. Called once per state, also after a crash; a throw is only logged. */
  stop?(state: State, reason: ExitReason, ctx: ActorContext<M>): Awaitable<void>;
}

/** A behaviour with its types forgotten; `defineActor` has checked them. */
export interface Behaviour {
  readonly name: string;
  readonly pause: PauseKind;
  readonly bound: number;
  readonly overflow: Overflow;
  readonly control: ReadonlySet<string>;
  readonly handlerTimeoutMs: number;
  readonly handlers: ReadonlyMap<string, UntypedHandler>;
  init(ctx: UntypedContext, args: unknown): unknown;
  /** Where the handlers do not run in this thread: who handles the messages instead of `handlers`. */
  makeLoop?(owner: LoopOwner, host: IncarnationHost, state: unknown): Loop;
  pauseChanged?(state: unknown, paused: boolean, ctx: UntypedContext): unknown;
  snapshot?(state: unknown): unknown;
  stop?(state: unknown, reason: ExitReason, ctx: UntypedContext): unknown;
}

export type UntypedHandler = (state: unknown, body: unknown, ctx: UntypedContext) => unknown;
export type UntypedContext = ActorContext<object>;

/**
 * Declares an actor. `Args` is what a child spec passes to `init`, `State` what `init` makes.
 *
 * @throws TypeError when a bound, a time or a name cannot be meant.
 */
export function defineActor<M extends object, Args = undefined, State = undefined>(
  definition: ActorBehaviour<M, Args, State>,
): ActorDefinition<M, Args> {
  const { name, mailbox, handlerTimeoutMs = 60_000 } = definition;
  const bound = mailbox?.bound ?? 10_000;
  if (name === "") throw new TypeError("an actor needs a name");
  if (!(bound >= 1)) throw new TypeError(`${name}: a mailbox holds at least one message`);
  if (!(handlerTimeoutMs >= 0)) throw new TypeError(`${name}: handlerTimeoutMs is not a duration`);
  const untyped = definition as unknown as Behaviour;
  const inner: Behaviour = {
    name,
    pause: definition.pause ?? "never",
    bound,
    overflow: mailbox?.overflow ?? "reject",
    control: new Set(definition.control),
    handlerTimeoutMs,
    // Bound, so that a handler may call another one by `this`.
    handlers: new Map(
      Object.entries<UntypedHandler>(definition.handle as never).map(([type, handler]) => [
        type,
        handler.bind(definition.handle),
      ]),
    ),
    init: (ctx, args) => untyped.init(ctx, args),
    ...(definition.pauseChanged && {
      pauseChanged: (state, paused, ctx) => untyped.pauseChanged?.(state, paused, ctx),
    }),
    ...(definition.snapshot && { snapshot: (state) => untyped.snapshot?.(state) }),
    ...(definition.stop && { stop: (state, reason, ctx) => untyped.stop?.(state, reason, ctx) }),
  };
  return { name, [behaviour]: inner };
}

/** What is inside a definition. */
export function behaviourOf(definition: AnyDefinition): Behaviour {
  return definition[behaviour] as Behaviour;
}
