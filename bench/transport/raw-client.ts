/**
 * Raw ZeroMQ as one would use it: a DEALER that sends one msgpack frame per call and finds the answer by a
 * number, and a PUSH. No session, no validation, no deadline, no heartbeats: what those cost is the question.
 */
import { Dealer, type Push } from "zeromq";
import { type Job, job, LAST, packr } from "./bench-link.ts";

export class RawCaller {
  readonly #socket = new Dealer({ linger: 0 });
  readonly #waiting = new Map<number, (reply: Job) => void>();
  readonly #unsent: Buffer[] = [];
  readonly #ended: Promise<void>;
  #isSending = false;

  constructor(address: string) {
    this.#socket.connect(address);
    this.#ended = this.#read();
  }

  ask(n: number): Promise<Job> {
    return new Promise((resolve) => {
      this.#waiting.set(n, resolve);
      this.#unsent.push(packr.pack([n, job(n)]));
      if (!this.#isSending) void this.#send();
    });
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.#ended;
  }

  /** A socket of zeromq.js does one `send` at a time. */
  async #send(): Promise<void> {
    this.#isSending = true;
    for (let next = this.#unsent.shift(); next !== undefined; next = this.#unsent.shift()) {
      await this.#socket.send(next);
    }
    this.#isSending = false;
  }

  async #read(): Promise<void> {
    for await (const [frame] of this.#socket) {
      const [n, reply] = packr.unpack(frame as Buffer) as [number, Job];
      const resolve = this.#waiting.get(n);
      this.#waiting.delete(n);
      resolve?.(reply);
    }
  }
}

/** Resolves when ZeroMQ has taken all of them. */
export async function pushNotes(socket: Push, count: number): Promise<void> {
  for (let n = 1; n < count; n += 1) await socket.send(packr.pack(job(n)));
  await socket.send(packr.pack(job(LAST)));
}
