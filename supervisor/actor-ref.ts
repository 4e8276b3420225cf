/**
 * What one actor may say to another: message types as an interface of method signatures, and the ref
 * that carries them. `{ LEASE(body: Request): Lease; WAKE(): void }` is a protocol of two messages, of
 * which only the first has a body and an answer. Everybody who talks to an actor uses these types;
 * nothing here runs.
 */

/** Any function, as a member of a message interface. */
type AnyMessage = (...body: never[]) => unknown;

/** The arguments after the type: `[body]`, or nothing where the message has no body. */
export type BodyArgs<F> = F extends (...body: infer B) => unknown ? B : never;

/** The body of a message; `undefined` where it has none. */
export type Body<F> = F extends () => unknown
  ? undefined
  : F extends (body: infer B) => unknown
    ? B
    : never;

/** What an asker gets. */
export type Reply<M, K extends keyof M> = M[K] extends (...body: never[]) => infer R
  ? Awaited<R>
  : never;

/** Names of the messages of `M` that are functions: what may be told or asked. */
export type MessageType<M> = keyof M & string;

export interface AskOptions {
  /** How long the asker waits. Default 5,000 ms. `Infinity` waits for the callee's end. */
  readonly timeoutMs?: number | undefined;
  /** Gives the question up; the callee sees it in `ctx.askSignal`. */
  readonly signal?: AbortSignal | undefined;
}

/** The arguments of `ask` after the type: body (or `undefined`), then options. */
export type AskArgs<F> =
  BodyArgs<F> extends readonly []
    ? [body?: undefined, options?: AskOptions]
    : [...body: BodyArgs<F>, options?: AskOptions];

/**
 * What became of a told message.
 * - `queued`: it is in the mailbox (of this or the next incarnation).
 * - `rejected`: the mailbox is full and the sender keeps the message (`reject`, `wait`).
 * - `dropped`: the mailbox is full and the message is lost (`drop-new`).
 * - `dead`: there is no such actor, it has ended, or the sender itself has; it is a dead letter.
 */
export type TellResult = "queued" | "rejected" | "dropped" | "dead";

/** Only a type: makes refs of different protocols differ. */
export declare const protocol: unique symbol;

type Strict<F> = F extends AnyMessage ? (...body: Parameters<F>) => ReturnType<F> : never;

/** Something with a path: enough to watch it or to name it in a log. */
export interface AnyRef {
  readonly path: string;
}

/**
 * Names an actor by its path, for instance `/database/seraph`, and survives its restarts: what is told
 * to it while it restarts goes to the next incarnation. A ref to a path where nobody lives is allowed.
 */
export interface ActorRef<M> extends AnyRef {
  readonly [protocol]?: { readonly [K in keyof M]: Strict<M[K]> };

  /** Puts a message in the mailbox. Never throws, never waits; order per sender is kept. */
  tell<K extends MessageType<M>>(type: K, ...body: BodyArgs<M[K]>): TellResult;

  /**
   * As `tell`, but waits while the mailbox is full, whatever its overflow rule. As many senders as the
   * mailbox has room may wait; the next gets `rejected`.
   */
  send<K extends MessageType<M>>(type: K, ...body: BodyArgs<M[K]>): Promise<TellResult>;

  /**
   * Asks and waits for the answer.
   *
   * @throws AskError `timeout`, `dead` (no such actor, or it ended first), `crashed` (it crashed with
   * this question in hand; the error is the `cause`), `aborted`, `rejected` (mailbox full), `failed`
   * (the answer was an error). A question that was still queued when the callee crashed is not
   * rejected: the next incarnation answers it.
   * @throws Refusal as thrown by the handler.
   */
  ask<K extends MessageType<M>>(type: K, ...args: AskArgs<M[K]>): Promise<Reply<M, K>>;
}
