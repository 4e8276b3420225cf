/**
 * Frames that no honest peer would send, the same for the same seed: noise, valid frames with bytes changed, frames that
 * lie in their heads, messages of every type with values of every kind, and valid bodies with one part changed. They come
 * from raw sockets that have said a valid HELLO, so that they get as far as they can.
 */
import fc from "fast-check";
import { Dealer } from "zeromq";
import { encode } from "../../protocol/transport/codec.ts";
import { encodeFrame } from "../../protocol/transport/frame.ts";
import { makeHello, makeRoutingId } from "../../protocol/transport/hello.ts";
import type { ClientKeys } from "../../protocol/transport/index.ts";
import { randomOf } from "./seeded-random.ts";

export interface FuzzedLink {
  readonly name: string;
  readonly version: number;
  /** What may be said to the server. */
  readonly bodies: Readonly<Record<string, fc.Arbitrary<unknown>>>;
}

/** A session that is new so often meets more of what follows a HELLO. */
const FRAMES_PER_SESSION = 40;
const SAMPLES = 30;

export class FrameFuzzer {
  /** Frames that were sent. */
  sent = 0;
  readonly #link: FuzzedLink;
  readonly #routingId = makeRoutingId();
  readonly #socket: Dealer;
  readonly #who: { readonly identity: string } | ClientKeys;
  readonly #random: () => number;
  readonly #bodies: ReadonlyMap<string, readonly unknown[]>;
  readonly #oddities: readonly unknown[];
  #session = "";
  #sequence = 0;

  constructor(link: FuzzedLink, address: string, seed: number, keys?: ClientKeys) {
    this.#link = link;
    this.#who = keys ?? { identity: `local:fuzz-${seed}` };
    this.#random = randomOf(seed);
    this.#bodies = new Map(
      Object.entries(link.bodies).map(([type, values]) => [
        type,
        fc.sample(values, { seed, numRuns: SAMPLES }),
      ]),
    );
    const anything = fc.anything({ withBigInt: true, withTypedArray: true, maxDepth: 4 });
    this.#oddities = [
      ...fc.sample(anything, { seed, numRuns: 300 }).filter(isEncodable),
      ...[
        null,
        -1,
        2 ** 53,
        -0,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        "",
        "\0",
        "../../x",
        "x".repeat(100_000),
      ],
      Array.from({ length: 5_000 }, () => 0),
    ];
    this.#socket = new Dealer({
      linger: 0,
      sendHighWaterMark: 1_000,
      routingId: this.#routingId,
      ...(keys && {
        curvePublicKey: keys.own.publicKey,
        curveSecretKey: keys.own.secretKey,
        curveServerKey: keys.serverPublicKey,
      }),
    });
    this.#socket.connect(address);
    void this.#readOn();
  }

  async send(frames: number): Promise<void> {
    for (let at = 0; at < frames; at += 1) {
      if (this.sent % FRAMES_PER_SESSION === 0) await this.#socket.send(this.#hello());
      await this.#socket.send(this.#next());
      this.sent += 1;
    }
  }

  close(): void {
    this.#socket.close();
  }

  /** Nobody cares what it is told, but a socket that does not read is another fault. */
  async #readOn(): Promise<void> {
    try {
      for await (const _answer of this.#socket);
    } catch {
      // Closed.
    }
  }

  #hello(): Buffer {
    this.#session = `fuzz-session-${this.sent}`;
    this.#sequence = 0;
    const slot = `fuzz-${this.#below(3)}`;
    const hello = makeHello(this.#link, this.#session, slot, this.#routingId, this.#who);
    return encodeFrame("HELLO", this.#session, hello);
  }

  #next(): Buffer | Buffer[] {
    switch (this.#below(8)) {
      case 0:
        return this.#noise(this.#below(200));
      case 1:
        return this.#damaged(this.#below(2) === 0 ? this.#hello() : this.#data(this.#body()));
      case 2:
        return encode([
          [this.#odd(), this.#odd(), this.#odd(), this.#odd(), this.#odd()],
          this.#odd(),
        ]);
      case 3:
        return encode([
          [
            1,
            pick(this.#random, ["HELLO", "WELCOME", "BYE", "WHO", "END", "REFUSED"]),
            this.#session,
            0,
          ],
          this.#odd(),
        ]);
      case 4:
        return [this.#data(this.#body()), this.#noise(this.#below(30))];
      case 5:
        return this.#data(this.#odd());
      case 6:
        return this.#data(this.#changed(this.#body()));
      default:
        return this.#data(this.#body());
    }
  }

  /** DATA of the present session, with one message of a type that the link has. */
  #data(body: unknown): Buffer {
    const type =
      this.#below(20) === 0
        ? "NOBODY-KNOWS"
        : (pick(this.#random, [...this.#bodies.keys()]) ?? "NOBODY-KNOWS");
    const isAsk = this.#below(4) === 0;
    const message = isAsk ? [1, type, body, this.#below(1_000), 1_000] : [0, type, body];
    this.#sequence += 1;
    return encode([[1, "DATA", this.#session, this.#sequence, 1_000], [message]]);
  }

  #body(): unknown {
    return pick(this.#random, pick(this.#random, [...this.#bodies.values()]) ?? [null]);
  }

  /** With a part of it, at any depth, made something else. */
  #changed(value: unknown): unknown {
    if (this.#below(3) === 0 || typeof value !== "object" || value === null) return this.#odd();
    if (Array.isArray(value))
      return value.map((item, at) =>
        at === this.#below(value.length) ? this.#changed(item) : (item as unknown),
      );
    if (Object.getPrototypeOf(value) !== Object.prototype) return this.#odd();
    const keys = Object.keys(value);
    const changed = pick(this.#random, [...keys, "more"]) ?? "more";
    return { ...value, [changed]: this.#changed((value as Record<string, unknown>)[changed]) };
  }

  #damaged(frame: Buffer): Buffer {
    const bytes = Buffer.from(frame);
    switch (this.#below(3)) {
      case 0:
        return bytes.subarray(0, this.#below(bytes.length));
      case 1:
        return Buffer.concat([bytes, this.#noise(1 + this.#below(20))]);
      default:
        for (let flips = 1 + this.#below(4); flips > 0; flips -= 1)
          bytes[this.#below(bytes.length)] = this.#below(256);
        return bytes;
    }
  }

  #odd(): unknown {
    return pick(this.#random, this.#oddities);
  }
  #noise(lengthBytes: number): Buffer {
    return Buffer.from(Array.from({ length: lengthBytes }, () => this.#below(256)));
  }
  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

function isEncodable(value: unknown): boolean {
  try {
    encode(value);
    return true;
  } catch {
    return false;
  }
}

/** Undefined where there is nothing to pick from. */
function pick<T>(random: () => number, values: readonly T[]): T | undefined {
  return values[Math.floor(random() * values.length)];
}
