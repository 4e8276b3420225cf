/**
 * One connecting socket with a routing id of its own: one attempt to reach the server and, when it comes
 * about, one connection. Tells its owner what happens on it; sessions and new attempts are the owner's (`client-side.ts`).
 */
import type { Packet } from "./frame.ts";
import type { Dial, FrameSocket } from "./frame-socket.ts";
import { FrameWriter } from "./frame-writer.ts";
import { makeRoutingId } from "./hello.ts";
import { LINGER_MS } from "./socket-options.ts";
import { SocketReader } from "./socket-reader.ts";

export interface ConnectionHandlers {
  /** The door is open: HELLO may be said. */
  connected(): void;
  received(parts: readonly Packet[]): void;
  /** The connection, or the attempt, came to an end. `isRefusal`: trying again at once is of no use. */
  ended(reason: string, isRefusal: boolean): void;
  failed(error: unknown): void;
}

/** More frames than this cannot wait behind the high-water marks of both ends. */
const DRAINED_AFTER = 10_000;

export class Connection {
  readonly routingId = makeRoutingId();
  readonly writer: FrameWriter;
  readonly #socket: FrameSocket;
  readonly #reader: SocketReader;
  readonly #handlers: ConnectionHandlers;
  #isClosed = false;
  #hasBroken = false;

  /** @throws Error where the socket's options cannot be used. */
  constructor(dial: Dial, handlers: ConnectionHandlers) {
    this.#handlers = handlers;
    const failed = (error: unknown) => {
      if (!this.#isClosed) handlers.failed(error);
    };
    // The socket connects again by itself after a break: what becomes of that is another connection's business.
    const isOver = () => this.#isClosed || this.#hasBroken;
    this.#socket = dial(this.routingId, {
      connected: () => {
        if (!isOver()) handlers.connected();
      },
      broken: () => {
        if (!isOver()) void this.#endDrained("disconnected");
      },
      turnedAway: (reason, isRefusal) => {
        if (!isOver()) handlers.ended(reason, isRefusal);
      },
      failed,
    });
    this.writer = new FrameWriter(this.#socket, { unreachable: () => undefined, failed });
    this.#reader = new SocketReader(this.#socket, {
      take: (parts) => {
        if (!this.#isClosed) handlers.received(parts);
      },
      failed,
    });
  }

  /** Resolves when nothing that the server said waits unread. */
  drained(): Promise<void> {
    return this.#reader.drained(DRAINED_AFTER);
  }

  /** Ends it at once; what was not sent is lost. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.writer.close();
    this.#socket.close("at once");
  }

  /** Ends it after what was queued; within `LINGER_MS` for the socket and as long for the network. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.writer.flush(LINGER_MS);
    this.writer.close();
    this.#socket.close("lingering");
  }

  /** What the server said before the connection broke is still heard: its reason, above all. */
  async #endDrained(reason: string): Promise<void> {
    this.#hasBroken = true;
    await this.drained();
    if (!this.#isClosed) this.#handlers.ended(reason, false);
  }
}
