/**
 * What sessions need of sockets, whatever is under them. Implemented over ZeroMQ (`zeromq-sockets.ts`) and
 * within the process (`memory-network.ts`); used by `bind-endpoint.ts` and `connection.ts`. Sockets know no sessions and no links.
 */
import type { Packet } from "./frame.ts";

export interface FrameSocket {
  readonly closed: boolean;
  /**
   * One at a time. On a bound socket the first part is the routing id. Rejects with the code `EAGAIN` where the peer's queue is
   * full or there is no connection yet, and on a bound socket with `EHOSTUNREACH` where no connection has that routing id.
   */
  send(parts: readonly Packet[]): Promise<void>;
  /** One at a time; pending until something comes. Rejects when the socket is closed. */
  receive(): Promise<readonly Packet[]>;
  /** `lingering`: what was handed over may still go out, for a moment. */
  close(how: "lingering" | "at once"): void;
}

/** ROUTER-like: many connections, each with a routing id that its client chose. */
export interface BoundFrameSocket {
  readonly socket: FrameSocket;
  /** As bound, with the real port. */
  readonly address: string;
  /** Takes no more connections; those that stand stay. Never throws. */
  unbind(): void;
  /** To be called once the socket is closed. */
  release(): void;
}

/** What happens to a connection. Never called from inside `dial`. */
export interface LineEvents {
  /** The door is open: frames may be sent. */
  connected(): void;
  /** The connection broke; what came before may lie unread. */
  broken(): void;
  /** The attempt was turned away. `isRefusal`: trying again at once is of no use. */
  turnedAway(reason: string, isRefusal: boolean): void;
  failed(error: unknown): void;
}

/** Opens one DEALER-like socket that tries to connect until it is closed. @throws Error where its options cannot be used. */
export type Dial = (routingId: string, events: LineEvents) => FrameSocket;

/** Finds out where the server is now; called before each attempt, which are counted from 0. @throws Error where that fails. */
export type FindServer = (attempt: number) => Promise<Dial>;
