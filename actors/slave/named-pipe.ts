/**
 * A named pipe in a build's folder that the slave reads: how a build tells it something beside its output. Made by
 * the workshop for statuses and for pip's reports. A pipe and not a file, since it takes no room, is read as
 * it is written, and cannot be replaced by a link to something that the slave may read and the build may not.
 */
import { execFile } from "node:child_process";
import { constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { promisify } from "node:util";

export interface PipeLimits {
  /** What is read in a second; whoever writes faster waits. */
  readonly bytesPerSecond: number;
  /** What is taken at the end of all that is still in it; more is left out. */
  readonly lastBytes: number;
}

export class NamedPipe {
  readonly path: string;
  readonly #descriptor: number;
  readonly #socket: Socket;
  readonly #take: (chunk: Buffer) => void;
  readonly #limits: PipeLimits;
  #budgetBytes: number;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    path: string,
    descriptor: number,
    limits: PipeLimits,
    take: (chunk: Buffer) => void,
  ) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#take = take;
    this.#limits = limits;
    this.#budgetBytes = limits.bytesPerSecond;
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Buffer) => {
      this.#budgetBytes -= chunk.length;
      if (this.#budgetBytes <= 0) this.#socket.pause();
      take(chunk);
    });
    this.#timer = setInterval(() => {
      this.#budgetBytes = limits.bytesPerSecond;
      this.#socket.resume();
    }, 1_000);
  }

  /** @throws where pipes cannot be made, e.g. without `mkfifo` or on a file system that has none */
  static async create(
    path: string,
    limits: PipeLimits,
    take: (chunk: Buffer) => void,
  ): Promise<NamedPipe> {
    await promisify(execFile)("mkfifo", ["-m", "600", path]);
    // For writing too: there is always a reader and a writer, so that nobody waits to open it, and no end is read.
    // A plain descriptor: a FileHandle would be closed when it is collected, and the socket is its owner.
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return new NamedPipe(path, descriptor, limits, take);
  }

  /** Takes what was written before; afterwards nobody reads it. Called when all that could write is gone. */
  close(): void {
    clearInterval(this.#timer);
    this.#socket.pause();
    const waiting = this.#socket.read() as Buffer | null;
    if (waiting !== null) this.#take(waiting);
    const buffer = Buffer.alloc(65_536);
    for (let left = this.#limits.lastBytes; left > 0; ) {
      let length = 0;
      try {
        length = readSync(this.#descriptor, buffer, 0, Math.min(left, buffer.length), null);
      } catch {
        // Nothing is left in it.
      }
      if (length === 0) break;
      left -= length;
      this.#take(Buffer.from(buffer.subarray(0, length)));
    }
    this.#socket.destroy();
  }
}
