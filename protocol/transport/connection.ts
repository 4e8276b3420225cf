/**
 * One DEALER socket with a routing id of its own: one attempt to reach the server and, when it comes
 * about, one connection. Tells its owner what happens on it; sessions and new attempts are the owner's (`client-side.ts`).
 */
import { Dealer, type Event, type SocketOptions } from "zeromq";
import type { Target } from "./address.ts";
import { FrameWriter } from "./frame-writer.ts";
import { makeRoutingId } from "./hello.ts";
import type { KeyPair } from "./key-pair.ts";
import { LINGER_MS, type SocketLimits, socketOptions } from "./socket-options.ts";
import { SocketReader } from "./socket-reader.ts";

export interface ClientKeys {
  readonly own: KeyPair;
  /** Z85. Another server than the one with this key is not spoken to. */
  readonly serverPublicKey: string;
}

export interface ConnectionHandlers {
  /** The door is open: HELLO may be said. */
  connected(): void;
  received(parts: readonly Buffer[]): void;
  /** The connection, or the attempt, came to an end. `isRefusal`: trying again at once is of no use. */
  ended(reason: string, isRefusal: boolean): void;
  failed(error: unknown): void;
}

export interface ConnectionOptions {
  readonly target: Target;
  readonly keys: ClientKeys | undefined;
  readonly limits: SocketLimits;
  /** ZeroMQ tries again within these while nobody listens there. */
  readonly reconnectMs: { readonly min: number; readonly max: number };
}

/** More frames than this cannot wait behind the high-water marks of both ends. */
const DRAINED_AFTER = 10_000;

export class Connection {
  readonly routingId = makeRoutingId();
  readonly writer: FrameWriter;
  readonly #socket: Dealer;
  readonly #reader: SocketReader;
  readonly #handlers: ConnectionHandlers;
  readonly #hasKeys: boolean;
  #isClosed = false;
  #hasBroken = false;

  /** @throws Error where ZeroMQ cannot use the options. */
  constructor(options: ConnectionOptions, handlers: ConnectionHandlers) {
    const { target, keys, limits, reconnectMs } = options;
    this.#handlers = handlers;
    this.#hasKeys = keys !== undefined;
    const plain: SocketOptions<Dealer> = {
      ...socketOptions(limits),
      routingId: this.routingId,
      ipv6: target.ipv6,
      reconnectInterval: Math.round(reconnectMs.min),
      reconnectMaxInterval: Math.round(reconnectMs.max),
    };
    this.#socket = new Dealer(
      keys === undefined
        ? plain
        : {
            ...plain,
            curvePublicKey: keys.own.publicKey,
            curveSecretKey: keys.own.secretKey,
            curveServerKey: keys.serverPublicKey,
          },
    );
    this.writer = new FrameWriter(this.#socket, {
      unreachable: () => undefined,
      failed: (error) => {
        handlers.failed(error);
      },
    });
    void this.#watch();
    this.#socket.connect(target.endpoint);
    this.#reader = new SocketReader(this.#socket, {
      take: (parts) => {
        if (!this.#isClosed) handlers.received(parts);
      },
      failed: (error) => {
        handlers.failed(error);
      },
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
    this.#socket.linger = 0;
    this.#socket.close();
  }

  /** Ends it after what was queued; within `LINGER_MS` for ZeroMQ and as long for the network. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.writer.flush(LINGER_MS);
    this.writer.close();
    this.#socket.close();
  }

  async #watch(): Promise<void> {
    try {
      for await (const event of this.#socket.events) {
        // ZeroMQ connects again by itself after a break: what becomes of that is another connection's business.
        if (!this.#isClosed && !this.#hasBroken) this.#see(event);
      }
    } catch (error) {
      if (!this.#isClosed) this.#handlers.failed(error);
    }
  }

  /** What the server said before the connection broke is still heard: its reason, above all. */
  async #endDrained(reason: string): Promise<void> {
    this.#hasBroken = true;
    await this.drained();
    if (!this.#isClosed) this.#handlers.ended(reason, false);
  }

  #see(event: Event): void {
    switch (event.type) {
      case "handshake":
        this.#handlers.connected();
        return;
      case "disconnect":
        void this.#endDrained("disconnected");
        return;
      case "handshake:error:auth":
        this.#handlers.ended("refused: the server does not know this key", true);
        return;
      case "handshake:error:protocol":
        this.#handlers.ended(
          `refused: ${this.#hasKeys ? "the server uses no keys, or other ones" : "the server asks for keys"} (${event.error.message})`,
          true,
        );
        return;
      case "handshake:error:other":
        this.#handlers.ended(
          this.#hasKeys
            ? "refused: the hand-shake failed; is this the server's public key?"
            : "disconnected",
          this.#hasKeys,
        );
        return;
      case "accept":
      case "accept:error":
      case "bind":
      case "bind:error":
      case "connect":
      case "connect:delay":
      case "connect:retry":
      case "close":
      case "close:error":
      case "end":
      case "unknown":
    }
  }
}
