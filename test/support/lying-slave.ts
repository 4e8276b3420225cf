/**
 * A slave that lies: it has a key that the master takes, speaks both links with the farm's own transport, and says what the
 * test has it say. It answers FETCH from what it is given, or as it likes. Not for slaves that behave: those are
 * processes of their own (`test-farm.ts`).
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type FromFileSender, filesLink, type ToFileSender } from "../../protocol/links/files.ts";
import { type FromSlave, slaveLink, type ToSlave } from "../../protocol/links/slave.ts";
import { type BuildResult, LOG_FILENAME } from "../../protocol/model/build.ts";
import type { HostStats } from "../../protocol/model/host.ts";
import type { TargetSpec } from "../../protocol/model/target.ts";
import { type ClientKeys, connectEndpoint } from "../../protocol/transport/index.ts";
import {
  type BodyOf,
  type ClientEndpoint,
  type MessageOf,
  silentLogger,
} from "../../supervisor/index.ts";

type Fetch = BodyOf<ToFileSender, "FETCH">;
type Heard = MessageOf<ToSlave>;

export interface LyingSlaveOptions {
  /** Where the master listens. */
  readonly slaveAddress: string;
  readonly fileAddress: string;
  readonly keys?: ClientKeys;
  readonly slot: string;
  readonly version: string;
  readonly target: TargetSpec;
}

const PATIENCE_MS = 30_000;

/** Of a machine that says nothing of itself. */
export const stats: HostStats = {
  diskFreeBytes: 0,
  diskSizeBytes: 0,
  memoryFreeBytes: 0,
  memorySizeBytes: 0,
  swapFreeBytes: 0,
  swapSizeBytes: 0,
  loadAverage: 0,
  temperatureC: null,
};

export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const LOG = Buffer.from("nothing to see\n");

export class LyingSlave {
  readonly heard: Heard[] = [];
  readonly fetched: Fetch[] = [];
  /** Why connections were refused or ended. */
  readonly downs: string[] = [];
  /** Answers what the master asks for; by default with what was put in `files`. */
  answer: (fetch: Fetch) => void = (fetch) => {
    this.answerHonestly(fetch);
  };
  readonly files = new Map<string, Buffer<ArrayBuffer>>([[LOG_FILENAME, LOG]]);
  readonly #options: LyingSlaveOptions;
  readonly #slaves: ClientEndpoint<FromSlave>;
  readonly #senders: ClientEndpoint<FromFileSender>;
  #isUp = false;
  #isSenderUp = false;
  #taken = 0;

  constructor(options: LyingSlaveOptions) {
    this.#options = options;
    const { keys, slot } = options;
    const common = {
      slot,
      // Without keys both connections say the same name, as a slave's do.
      ...(keys === undefined ? { identity: `local:${slot}` } : { keys }),
      heartbeatMs: 500,
      retryMs: { min: 50, max: 500 },
      log: silentLogger,
    };
    const down = (reason: string): void => void this.downs.push(reason);
    this.#slaves = connectEndpoint(slaveLink, {
      ...common,
      address: options.slaveAddress,
      handlers: {
        up: () => {
          this.#isUp = true;
        },
        down: (reason) => {
          this.#isUp = false;
          down(reason);
        },
        message: (message) => void this.heard.push(message),
      },
    });
    this.#senders = connectEndpoint(filesLink, {
      ...common,
      address: options.fileAddress,
      handlers: {
        up: () => {
          this.#isSenderUp = true;
        },
        down: (reason) => {
          this.#isSenderUp = false;
          down(reason);
        },
        message: ({ body }) => {
          this.fetched.push(body);
          this.answer(body);
        },
      },
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#slaves.close(), this.#senders.close()]);
  }

  async untilUp(): Promise<void> {
    await this.until("both links are up", () => this.#isUp && this.#isSenderUp);
  }

  say<K extends keyof FromSlave & string>(type: K, body: BodyOf<FromSlave, K>): void {
    this.#slaves.send(type, body);
  }

  send<K extends keyof FromFileSender & string>(type: K, body: BodyOf<FromFileSender, K>): void {
    this.#senders.send(type, body);
  }

  hello(more: Partial<BodyOf<FromSlave, "HELLO">> = {}): void {
    const { version, target, slot } = this.#options;
    this.say("HELLO", {
      version,
      label: slot,
      host: { os: "Linux", board: "", hostname: slot, cores: 1 },
      targets: [target],
      timeoutMs: 60_000,
      running: [],
      finished: [],
      ...more,
    });
  }

  /** A session that begins: connected, greeted. */
  async begin(more: Partial<BodyOf<FromSlave, "HELLO">> = {}): Promise<void> {
    await this.untilUp();
    this.hello(more);
    await this.next("ACK");
  }

  /** Asks for work until there is some. */
  async order(fits: (order: BodyOf<ToSlave, "BUILD">) => boolean = () => true) {
    this.say("IDLE", { stats });
    const again = setInterval(() => {
      this.say("IDLE", { stats });
    }, 1_000);
    try {
      return await this.next("BUILD", fits);
    } finally {
      clearInterval(again);
    }
  }

  /** Settles when the master has answered, whether there is work or not. */
  async askForWork(): Promise<void> {
    const before = this.heard.length;
    this.say("IDLE", { stats });
    const isAnswer = ({ type }: Heard) => type === "SLEEP" || type === "BUILD";
    await this.until("an answer to IDLE", () => this.heard.slice(before).some(isAnswer));
  }

  built(token: number, result: Partial<BuildResult>): void {
    this.say("BUILT", {
      token,
      result: {
        cause: "built",
        message: "",
        missing: [],
        durationMs: 1,
        files: [],
        log: { sizeBytes: LOG.length, sha256: sha256(LOG) },
        ...result,
      },
    });
  }

  answerHonestly({ token, filename, offset, lengthBytes }: Fetch): void {
    const file = this.files.get(filename);
    if (file === undefined) this.send("MISSING", { token, filename, reason: "not here" });
    else {
      const data = file.subarray(offset, offset + lengthBytes);
      this.send("CHUNK", { token, filename, offset, data });
    }
  }

  /** The next message of this type; others on the way are passed over. */
  async next<K extends Heard["type"]>(
    type: K,
    fits: (body: BodyOf<ToSlave, K>) => boolean = () => true,
  ): Promise<BodyOf<ToSlave, K>> {
    let found: BodyOf<ToSlave, K> | undefined;
    await this.until(type, () => {
      while (found === undefined && this.#taken < this.heard.length) {
        const message = this.heard[this.#taken];
        this.#taken += 1;
        if (message?.type !== type) continue;
        const body = message.body as BodyOf<ToSlave, K>;
        if (fits(body)) found = body;
      }
      return found !== undefined;
    });
    return found as BodyOf<ToSlave, K>;
  }

  async until(what: string, fits: () => boolean): Promise<void> {
    const endAt = performance.now() + PATIENCE_MS;
    while (!fits()) {
      if (performance.now() > endAt)
        throw new Error(`waited in vain for ${what}; connections ended: ${this.downs.join(", ")}`);
      await delay(5);
    }
  }
}
