/**
 * What the runtime asks of a transport: links, peers and the two ends of a connection.
 *
 * A link is declared once (`protocol/links`), a transport carries it (`protocol/transport`), an actor
 * owns an end of it. Nothing here knows sockets or codecs.
 */

/** Message types of one direction of a link: body type and, where the message is a question, the reply's. */
export interface LinkMessage {
  readonly body: unknown;
  readonly reply?: unknown;
}
export type LinkMessages = { readonly [type: string]: LinkMessage };

/** A message of a direction as a union that narrows on `type`. */
export type MessageOf<D extends LinkMessages> = {
  [K in keyof D & string]: { readonly type: K; readonly body: D[K]["body"] };
}[keyof D & string];

export type BodyOf<D extends LinkMessages, K extends keyof D> = D[K]["body"];
export type ReplyOf<D extends LinkMessages, K extends keyof D> = D[K] extends {
  readonly reply: infer R;
}
  ? R
  : never;

/** Result of checking a body that came from another process. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/**
 * A declared link. `toServer` are the messages that the connecting side sends, `toClient` those that
 * the bound side sends. Checkers never throw: an unknown type or a bad body gives `ok: false`.
 */
export interface Link<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly name: string;
  /** Raised when a message changes so that an older peer would misread it. */
  readonly version: number;
  checkToServer(type: string, body: unknown): Checked<MessageOf<ToServer>>;
  checkToClient(type: string, body: unknown): Checked<MessageOf<ToClient>>;
  /** Checks the reply to a question of either direction. */
  checkReply(type: string, body: unknown): Checked<unknown>;
}

/** One connection of one proven identity, as the bound side sees it. A reconnection is a new peer. */
export interface Peer {
  /** Unique for the life of the process; never reused. */
  readonly id: string;
  /** The proven CURVE public key (Z85), or `local:<uuid>` on a link without keys. */
  readonly identity: string;
  /** Which of the identity's connections this is; a newer one of the same slot replaces the older. */
  readonly slot: string;
}

export type SendResult = "sent" | "gone" | "full";

/** Why a peer's session ended. `revoked`: its identity may not come again. */
export type PeerEnd = "silent" | "replaced" | "refused" | "revoked" | "left" | "closed";

/** What a bound endpoint tells its owner. Called one at a time, never re-entrantly. */
export interface ServerHandlers<ToServer extends LinkMessages> {
  opened(peer: Peer): void;
  /**
   * `reply` is there when the peer asked; it may be called once, later. A promise that is given back settles when the owner has
   * taken the message (its mailbox had room, say). Until then the message counts against this peer's credit, and a peer without
   * credit holds its messages back: one that floods fills its own window and nobody else's. Without a promise it is taken at once.
   */
  message(
    peer: Peer,
    message: MessageOf<ToServer>,
    reply?: (outcome: { value: unknown } | { error: string }) => void,
  ): void | Promise<void>;
  closed(peer: Peer, end: PeerEnd): void;
}

export interface ServerEndpoint<ToClient extends LinkMessages> {
  /** The address as bound, with the real port where the asked one was a wildcard. */
  readonly address: string;
  /**
   * Queues a message; never blocks. `gone`: no such peer; `full`: its outbox is at its bound, since the peer does not read or has
   * given no more credit.
   */
  send<K extends keyof ToClient & string>(
    peer: Peer,
    type: K,
    body: BodyOf<ToClient, K>,
  ): SendResult;
  /** Ends a peer's session after telling it why; what it says later is refused and counted. */
  drop(peer: Peer, reason: string): void;
  /** What was dropped, refused, malformed or lost, by reason. `lost message` and `message not sent` count messages. */
  counters(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** What a connecting endpoint tells its owner. */
export interface ClientHandlers<ToClient extends LinkMessages> {
  /** The server has accepted this session. Called again after each reconnection. */
  up(): void;
  /** A promise that is given back counts against the server's credit until it settles, as with `ServerHandlers`. */
  message(message: MessageOf<ToClient>): void | Promise<void>;
  /** The session ended; the endpoint goes on trying by itself until closed. */
  down(reason: string): void;
}

export interface ClientEndpoint<ToServer extends LinkMessages> {
  /** Queues a message for the present session; `gone` while there is none, `full` as with `ServerEndpoint`. */
  send<K extends keyof ToServer & string>(type: K, body: BodyOf<ToServer, K>): SendResult;
  /** @throws EndpointError code `timeout`, `gone` or `refused`; a deadline in ms travels with the question. */
  ask<K extends keyof ToServer & string>(
    type: K,
    body: BodyOf<ToServer, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<ToServer, K>>;
  /** As `ServerEndpoint.counters`, of all sessions since the endpoint was made. */
  counters(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export class EndpointError extends Error {
  readonly code: "timeout" | "gone" | "refused" | "closed";
  constructor(code: "timeout" | "gone" | "refused" | "closed", message: string) {
    super(message);
    this.name = "EndpointError";
    this.code = code;
  }
}
