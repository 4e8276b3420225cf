/**
 * Frame sockets within the process: a ROUTER-like one that serves the connections of one bound name, and a
 * DEALER-like one for each connection. Behave as ZeroMQ's do, with the same errors; made by `memory-network.ts`.
 */
import type { Packet } from "./frame.ts";
import type { FrameSocket, LineEvents } from "./frame-socket.ts";
import type { MemoryWire } from "./memory-wire.ts";

class SocketError extends Error {
  readonly code: "EAGAIN" | "EHOSTUNREACH" | "ENOTSOCK";
  constructor(code: "EAGAIN" | "EHOSTUNREACH" | "ENOTSOCK") {
    super(code);
    this.name = "SocketError";
    this.code = code;
  }
}

/** One receive may wait at a time. */
class Receiver {
  #waiting: { resolve(parts: readonly Packet[]): void; reject(error: Error): void } | undefined;
  readonly #take: () => readonly Packet[] | undefined;

  constructor(take: () => readonly Packet[] | undefined) {
    this.#take = take;
  }

  receive(): Promise<readonly Packet[]> {
    const parts = this.#take();
    if (parts !== undefined) return Promise.resolve(parts);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  arrived(): void {
    if (this.#waiting === undefined) return;
    const parts = this.#take();
    if (parts === undefined) return;
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(parts);
  }

  close(): void {
    this.#waiting?.reject(new SocketError("EAGAIN"));
    this.#waiting = undefined;
  }
}

/** One connection, from dialling to its end. */
export interface MemoryLine {
  readonly routingId: Buffer;
  readonly toServer: MemoryWire;
  readonly toClient: MemoryWire;
  readonly events: LineEvents;
  state: "dialling" | "open" | "over";
}

export class MemoryRouter implements FrameSocket {
  readonly maxFrameBytes: number;
  closed = false;
  readonly #lines = new Map<string, MemoryLine>();
  /** Lines with frames to read, in turns. */
  readonly #ready = new Set<MemoryLine>();
  readonly #receiver = new Receiver(() => this.#take());
  readonly #left: () => void;

  constructor(maxFrameBytes: number, left: () => void) {
    this.maxFrameBytes = maxFrameBytes;
    this.#left = left;
  }

  /** False where a living connection has that routing id. */
  admit(line: MemoryLine): boolean {
    const route = line.routingId.toString("latin1");
    if (this.#lines.has(route)) return false;
    this.#lines.set(route, line);
    return true;
  }

  forget(line: MemoryLine): void {
    const route = line.routingId.toString("latin1");
    if (this.#lines.get(route) === line) this.#lines.delete(route);
  }

  arrived(line: MemoryLine): void {
    if (this.closed) return;
    this.#ready.add(line);
    this.#receiver.arrived();
  }

  send(parts: readonly Packet[]): Promise<void> {
    const [routingId, frame] = parts;
    if (this.closed || !Buffer.isBuffer(routingId) || frame === undefined) return fail("ENOTSOCK");
    const line = this.#lines.get(routingId.toString("latin1"));
    if (line === undefined) return fail("EHOSTUNREACH");
    return line.toClient.send(frame) ? Promise.resolve() : fail("EAGAIN");
  }

  receive(): Promise<readonly Packet[]> {
    return this.closed ? fail("ENOTSOCK") : this.#receiver.receive();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#receiver.close();
    this.#left();
  }

  #take(): readonly Packet[] | undefined {
    for (const line of this.#ready) {
      this.#ready.delete(line);
      const frame = line.toServer.take();
      if (frame === undefined) continue;
      if (line.toServer.hasFrames) this.#ready.add(line);
      return [line.routingId, frame];
    }
    return undefined;
  }
}

export class MemoryDealer implements FrameSocket {
  closed = false;
  readonly #line: () => MemoryLine;
  readonly #receiver = new Receiver(() => this.#take());
  readonly #left: (how: "lingering" | "at once") => void;

  constructor(line: () => MemoryLine, left: (how: "lingering" | "at once") => void) {
    this.#line = line;
    this.#left = left;
  }

  arrived(): void {
    if (!this.closed) this.#receiver.arrived();
  }

  send(parts: readonly Packet[]): Promise<void> {
    const [frame] = parts;
    if (this.closed || frame === undefined) return fail("ENOTSOCK");
    const line = this.#line();
    // After a break a socket takes what it is given, in the hope of another connection, which never comes here.
    const isSent = line.state !== "dialling" && line.toServer.send(frame);
    return isSent ? Promise.resolve() : fail("EAGAIN");
  }

  receive(): Promise<readonly Packet[]> {
    return this.closed ? fail("ENOTSOCK") : this.#receiver.receive();
  }

  close(how: "lingering" | "at once"): void {
    if (this.closed) return;
    this.closed = true;
    this.#receiver.close();
    this.#left(how);
  }

  #take(): readonly Packet[] | undefined {
    const frame = this.#line().toClient.take();
    return frame === undefined ? undefined : [frame];
  }
}

const fail = (code: "EAGAIN" | "EHOSTUNREACH" | "ENOTSOCK"): Promise<never> =>
  Promise.reject(new SocketError(code));
