/**
 * A line to a server: at most one connection at a time, shared by the sessions that are open on it. There is one from
 * when the first wants it until the last has left. When it breaks all are told, and each comes back in its own time
 * (`client-side.ts` knows how long); the first that does opens the next connection. Made by `connect-endpoint.ts`.
 */
import { Connection } from "./connection.ts";
import { decodeFrame, type Frame, type Packet } from "./frame.ts";
import type { FindServer } from "./frame-socket.ts";
import type { Framing } from "./framing.ts";
import type { SocketLimits } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import type { ClientKeys } from "./zeromq-sockets.ts";

/** How long to stay away: a connection that broke, or one that was turned away. */
export type LineLoss = "soon" | "refused";

/** One session's end of the line. */
export interface LineUser {
  /** The session that it has, or asks for, on the present connection. */
  readonly sessionId: string | undefined;
  /** The door is open: HELLO may be said. */
  connected(connection: Connection): void;
  /** A frame of its session. */
  received(frame: Frame, packet: Packet, connection: Connection): void;
  /** The connection is over, and the line is left. */
  lost(reason: string, loss: LineLoss): void;
}

export interface LineSettings {
  readonly findServer: FindServer;
  readonly framing: Framing;
  readonly keys: ClientKeys | undefined;
  readonly identity: string;
  readonly tally: Tally;
  readonly limits: SocketLimits;
  readonly retryMs: { readonly min: number; readonly max: number };
}

interface Attempt {
  connection: Connection | undefined;
  isOpen: boolean;
}

/** Nobody listens: the name is looked up again after twice the longest delay between attempts, within these. */
const DIAL_MS = { min: 1_000, max: 10_000 };

export class Line {
  readonly settings: LineSettings;
  readonly #users = new Set<LineUser>();
  #attempt: Attempt | undefined;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: LineSettings) {
    this.settings = settings;
  }

  /** `connected` follows, at once where there is a connection, or `lost`. */
  join(user: LineUser): void {
    this.#users.add(user);
    const { connection, isOpen } = this.#attempt ?? {};
    if (this.#attempt === undefined) void this.#dial();
    else if (connection !== undefined && isOpen === true) user.connected(connection);
  }

  /** The last one ends the connection. `said`: settles when what it still had to say was handed over; ends at once without. */
  async leave(user: LineUser, said?: Promise<void>): Promise<void> {
    if (!this.#users.delete(user)) return;
    if (this.#users.size > 0) {
      await said;
      return;
    }
    const connection = this.#endAttempt();
    if (said === undefined) connection?.abandon();
    else await connection?.close();
  }

  /** The connection is of no use any more. Does nothing where there is another one by now. */
  breakOff(connection: Connection, reason: string, loss: LineLoss): void {
    if (this.#attempt?.connection === connection) this.#lose(reason, loss);
  }

  async #dial(): Promise<void> {
    const { findServer, retryMs, tally } = this.settings;
    const attempt: Attempt = { connection: undefined, isOpen: false };
    const isPresent = () => this.#attempt === attempt;
    this.#attempt = attempt;
    this.#attempts += 1;
    try {
      const dial = await findServer(this.#attempts - 1);
      if (!isPresent()) return;
      const connection = new Connection(dial, {
        connected: () => {
          if (!isPresent()) return;
          clearTimeout(this.#timer);
          attempt.isOpen = true;
          for (const user of [...this.#users]) user.connected(connection);
        },
        received: (parts) => {
          if (isPresent()) this.#receive(parts, connection);
        },
        ended: (reason, isRefusal) => {
          if (isPresent()) this.#lose(reason, isRefusal ? "refused" : "soon");
        },
        failed: (error) => {
          tally.count("connection failed", { error });
        },
      });
      attempt.connection = connection;
      const dialMs = Math.min(DIAL_MS.max, Math.max(DIAL_MS.min, 2 * retryMs.max));
      this.#timer = setTimeout(() => {
        this.#lose("nobody answers", "soon");
      }, dialMs);
    } catch (error) {
      if (isPresent()) this.#lose(error instanceof Error ? error.message : String(error), "soon");
    }
  }

  #receive(parts: readonly Packet[], connection: Connection): void {
    try {
      const [packet] = parts;
      if (packet === undefined || parts.length !== 1) throw new Error(`${parts.length} parts`);
      const frame = decodeFrame(packet);
      for (const user of this.#users) {
        if (user.sessionId !== frame.session) continue;
        user.received(frame, packet, connection);
        return;
      }
      // What was meant for an earlier session of this connection came too late.
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.settings.tally.count("malformed frame", { reason });
      this.#lose(`malformed frame: ${reason}`, "refused");
    }
  }

  #lose(reason: string, loss: LineLoss): void {
    this.#endAttempt()?.abandon();
    const users = [...this.#users];
    this.#users.clear();
    for (const user of users) user.lost(reason, loss);
  }

  #endAttempt(): Connection | undefined {
    clearTimeout(this.#timer);
    const connection = this.#attempt?.connection;
    this.#attempt = undefined;
    return connection;
  }
}
