/**
 * A network between the slaves and a master that a test can break: a TCP proxy on loopback for one link. It cuts
 * connections, lets them stand with nothing passing, takes one end away without the other hearing of it, is slow, and
 * turns newcomers away. On a link without keys it also sees what passes, and stops at a message that a test names:
 * before it has crossed, with all that comes after it.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Crossing, ZmtpReader } from "./zmtp-reader.ts";

export type Direction = "to master" | "to slave";

/** A place in the talk, found by what passes there. */
export type Stop = (direction: Direction, crossing: Crossing) => boolean;

interface Connection {
  readonly slave: Socket;
  readonly master: Socket;
  isHalf: boolean;
  isOver: boolean;
}

interface Wall {
  readonly gone: Promise<void>;
  readonly open: () => void;
}

export class LinkProxy {
  /** Waited before each piece that passes, in either direction. */
  delayMs = 0;
  /** Who connects is cut at once. */
  isClosedToNewcomers = false;
  /** Connections that were made through it. */
  connections = 0;
  readonly #server: Server;
  readonly #masterPort: number;
  readonly #open = new Set<Connection>();
  #wall: Wall | undefined;
  #stop: { readonly fits: Stop; readonly reached: () => void } | undefined;

  private constructor(server: Server, masterPort: number) {
    this.#server = server;
    this.#masterPort = masterPort;
    server.on("connection", (slave) => {
      this.#join(slave);
    });
  }

  static async start(masterPort: number): Promise<LinkProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new LinkProxy(server, masterPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that stand now. */
  get standing(): number {
    return this.#open.size;
  }

  /** Ends every connection with a reset; what was on its way is lost. */
  cut(): void {
    for (const connection of this.#open) end(connection);
  }

  /** Connections stand, and nothing passes. */
  stall(): void {
    if (this.#wall !== undefined) return;
    let open: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#wall = { gone, open };
  }

  /** Lets pass what a stall or a stop holds back. */
  resume(): void {
    this.#wall?.open();
    this.#wall = undefined;
  }

  /** This end of every connection is gone, and the other one is not told: it speaks, and nobody hears. */
  halfOpen(lost: "slave" | "master"): void {
    for (const connection of this.#open) {
      connection.isHalf = true;
      connection[lost].resetAndDestroy();
    }
  }

  /** Settles when what fits is about to cross; it and all that follows is held back until `resume`. */
  async stopAt(fits: Stop): Promise<void> {
    await new Promise<void>((reached) => {
      this.#stop = { fits, reached };
    });
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    this.resume();
    await closed;
  }

  #join(slave: Socket): void {
    if (this.isClosedToNewcomers) {
      slave.resetAndDestroy();
      return;
    }
    this.connections += 1;
    const master = connect(this.#masterPort, "127.0.0.1");
    const connection: Connection = { slave, master, isHalf: false, isOver: false };
    this.#open.add(connection);
    for (const socket of [slave, master]) {
      socket.setNoDelay(true);
      // `close` follows.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        if (connection.isHalf && !(slave.destroyed && master.destroyed)) return;
        end(connection);
        this.#open.delete(connection);
      });
    }
    this.#carry(connection, "to master", slave, master);
    this.#carry(connection, "to slave", master, slave);
  }

  #carry(connection: Connection, direction: Direction, from: Socket, to: Socket): void {
    const reader = new ZmtpReader();
    from.on("data", (bytes: Buffer) => {
      from.pause();
      void this.#pass(connection, direction, reader.take(bytes), to).finally(() => from.resume());
    });
  }

  async #pass(
    connection: Connection,
    direction: Direction,
    pieces: readonly { readonly bytes: Buffer; readonly crossing: Crossing | undefined }[],
    to: Socket,
  ): Promise<void> {
    for (const { bytes, crossing } of pieces) {
      if (crossing !== undefined && this.#stop?.fits(direction, crossing)) {
        const { reached } = this.#stop;
        this.#stop = undefined;
        this.stall();
        reached();
      }
      while (this.#wall !== undefined) await this.#wall.gone;
      if (this.delayMs > 0) await delay(this.delayMs);
      // To an end that is gone it is lost, as in a network.
      if (connection.isOver || to.destroyed) continue;
      if (!to.write(bytes)) await room(to);
    }
  }
}

function end(connection: Connection): void {
  connection.isOver = true;
  connection.slave.resetAndDestroy();
  connection.master.resetAndDestroy();
}

/** There is room again, or there never will be. */
async function room(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", resolve);
  });
}

/** The first frame of a kind in a direction: of the hand-shake. */
export const frameOf =
  (direction: Direction, kind: Crossing["kind"]): Stop =>
  (way, crossing) =>
    way === direction && crossing.kind === kind;

/** The first message of a type whose body fits. */
export const messageOf =
  (direction: Direction, type: string, fits: (body: never) => boolean = () => true): Stop =>
  (way, { messages }) =>
    way === direction &&
    messages.some((message) => message.type === type && fits(message.body as never));
