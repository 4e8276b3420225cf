/**
 * The master's side of the slave and file links, over real sockets, that says only what a test tells it to.
 * It keeps all that it hears; waiting is for a condition, with a bound.
 */
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";
import {
  type FromFileSender,
  filesLink,
  type ToFileSender,
} from "../../../protocol/links/files.ts";
import { type FromSlave, slaveLink, type ToSlave } from "../../../protocol/links/slave.ts";
import { bindEndpoint, type ServerKeys } from "../../../protocol/transport/index.ts";
import {
  type BodyOf,
  type MessageOf,
  type Peer,
  type ServerEndpoint,
  silentLogger,
} from "../../../supervisor/index.ts";

/** Longer than anything takes on a busy machine. */
const PATIENCE_MS = 15_000;
const FETCH_RETRY_MS = 500;

type Heard = MessageOf<FromSlave>;
type Answer = MessageOf<FromFileSender>;

export class ScriptedMaster {
  readonly heard: Heard[] = [];
  readonly answers: Answer[] = [];
  slaveAddress = "tcp://127.0.0.1:0";
  fileAddress = "tcp://127.0.0.1:0";
  peer: Peer | undefined;
  /** What PROBE is answered with. */
  probe = { version: "1.2.3", upstreamIndex: "http://127.0.0.1:1/simple", farmIndex: null };
  #taken = 0;
  #filePeer: Peer | undefined;
  #slaves: ServerEndpoint<ToSlave> | undefined;
  #files: ServerEndpoint<ToFileSender> | undefined;

  readonly #keys: ServerKeys | undefined;

  private constructor(keys: ServerKeys | undefined) {
    this.#keys = keys;
  }

  static async start(keys?: ServerKeys): Promise<ScriptedMaster> {
    const master = new ScriptedMaster(keys);
    await master.open();
    onTestFinished(() => master.close());
    return master;
  }

  /** Binds, the second time at the same addresses: a master that was restarted. */
  async open(): Promise<void> {
    this.#slaves = await bindEndpoint(slaveLink, {
      address: this.slaveAddress,
      ...(this.#keys && { keys: this.#keys }),
      heartbeatMs: 500,
      log: silentLogger,
      handlers: {
        opened: (peer) => {
          this.peer = peer;
        },
        message: (_peer, message, reply) => {
          if (message.type === "PROBE") reply?.({ value: this.probe });
          this.heard.push(message);
        },
        closed: (peer) => {
          if (this.peer?.id === peer.id) this.peer = undefined;
        },
      },
    });
    this.#files = await bindEndpoint(filesLink, {
      address: this.fileAddress,
      ...(this.#keys && { keys: this.#keys }),
      heartbeatMs: 500,
      log: silentLogger,
      handlers: {
        opened: (peer) => {
          this.#filePeer = peer;
        },
        message: (_peer, message) => void this.answers.push(message),
        closed: (peer) => {
          if (this.#filePeer?.id === peer.id) this.#filePeer = undefined;
        },
      },
    });
    this.slaveAddress = this.#slaves.address;
    this.fileAddress = this.#files.address;
  }

  async close(): Promise<void> {
    await Promise.all([this.#slaves?.close(), this.#files?.close()]);
    this.#slaves = undefined;
    this.#files = undefined;
    this.peer = undefined;
    this.#filePeer = undefined;
  }

  /** Ends the slave's session as a cut in the network would; the slave comes back by itself. */
  drop(): void {
    if (this.peer !== undefined) this.#slaves?.drop(this.peer, "cut by the test");
  }

  say<K extends keyof ToSlave & string>(type: K, body: BodyOf<ToSlave, K>): void {
    if (this.peer === undefined) throw new Error(`no slave to say ${type} to`);
    this.#slaves?.send(this.peer, type, body);
  }

  /** The next message of this type; others on the way are passed over. */
  async next<K extends Heard["type"]>(
    type: K,
    fits: (body: BodyOf<FromSlave, K>) => boolean = () => true,
  ): Promise<BodyOf<FromSlave, K>> {
    return await until(`${type} from the slave`, () => {
      while (this.#taken < this.heard.length) {
        const message = this.heard[this.#taken];
        this.#taken += 1;
        if (message?.type !== type) continue;
        const body = message.body as BodyOf<FromSlave, K>;
        if (fits(body)) return body;
      }
      return undefined;
    });
  }

  /** HELLO, answered with ACK. */
  async greet(ack: Partial<BodyOf<ToSlave, "ACK">> = {}): Promise<BodyOf<FromSlave, "HELLO">> {
    const hello = await this.next("HELLO");
    this.say("ACK", {
      version: hello.version,
      slaveId: 1,
      upstreamIndex: "http://127.0.0.1:1/simple",
      farmIndex: null,
      busyIntervalMs: 50,
      idleIntervalMs: 60_000,
      ...ack,
    });
    return hello;
  }

  /** Asks for a range until an answer comes, as File Juggler does. */
  async fetch(fetch: BodyOf<ToFileSender, "FETCH">): Promise<Answer> {
    const before = this.answers.length;
    let askedAt = Number.NEGATIVE_INFINITY;
    return await until(`an answer for ${fetch.filename}`, () => {
      if (performance.now() - askedAt > FETCH_RETRY_MS) {
        askedAt = performance.now();
        if (this.#filePeer !== undefined) this.#files?.send(this.#filePeer, "FETCH", fetch);
        else if (this.peer !== undefined)
          this.say("SEND", { token: fetch.token, filename: fetch.filename });
      }
      return this.answers
        .slice(before)
        .find(({ body }) => body.filename === fetch.filename && body.token === fetch.token);
    });
  }

  /** Whether the slave is on the file link. */
  get isOnFileLink(): boolean {
    return this.#filePeer !== undefined;
  }

  async pull(token: number, filename: string, sizeBytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < sizeBytes; ) {
      const answer = await this.fetch({ token, filename, offset, lengthBytes: 4_096 });
      if (answer.type !== "CHUNK") throw new Error(`${filename}: ${answer.body.reason}`);
      parts.push(answer.body.data);
      offset += answer.body.data.length;
    }
    return Buffer.concat(parts);
  }
}

/** Waits for something to be there. */
export async function until<T>(
  what: string,
  find: () => T | undefined | Promise<T | undefined>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const endAt = performance.now() + patienceMs;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() > endAt) throw new Error(`waited in vain for ${what}`);
    await delay(5);
  }
}
