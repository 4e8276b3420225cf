/**
 * Reads a socket until it is closed, and lets timers and other sockets have their turn: a saturated
 * reader that never yields holds timers up for tens of milliseconds (measured).
 */
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { Packet } from "./frame.ts";
import type { FrameSocket } from "./frame-socket.ts";

interface SocketReaderHandlers {
  /** Must not throw. */
  take(parts: readonly Packet[]): void;
  failed(error: unknown): void;
}

const RECEIVES_PER_TURN = 64;
const PAUSE_AFTER_ERROR_MS = 100;
/** ZeroMQ's binding may hold a message back for a turn so as not to starve the event loop. */
const QUIET_TURNS = 3;

export class SocketReader {
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>;
  readonly #socket: Pick<FrameSocket, "closed" | "receive">;
  readonly #handlers: SocketReaderHandlers;
  #received = 0;

  constructor(socket: Pick<FrameSocket, "closed" | "receive">, handlers: SocketReaderHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.ended = this.#read();
  }

  /**
   * Resolves when nothing unread waits, or after `most` frames where others keep the socket busy. Looks at what comes, not
   * at the socket's state: asking ZeroMQ for it would swallow the very signal that a pending receive waits for.
   */
  async drained(most: number): Promise<void> {
    const start = this.#received;
    let last = start;
    for (let quiet = 0; quiet < QUIET_TURNS && last - start < most; quiet += 1) {
      await nextTurn();
      if (this.#received !== last) quiet = -1;
      last = this.#received;
    }
  }

  async #read(): Promise<void> {
    while (!this.#isClosed()) {
      try {
        const parts = await this.#socket.receive();
        this.#received += 1;
        this.#handlers.take(parts);
        if (this.#received % RECEIVES_PER_TURN === 0) await nextTurn();
      } catch (error) {
        if (this.#isClosed()) return;
        this.#handlers.failed(error);
        await delay(PAUSE_AFTER_ERROR_MS);
      }
    }
  }

  /** A method, since a test of the property would be believed past an await. */
  #isClosed(): boolean {
    return this.#socket.closed;
  }
}
