/**
 * Sends local messages through a codec as if their receiver lived on another node, so that a test run finds
 * what would not survive the way. Off in products: local messages go by reference.
 */
import type { Checked } from "./endpoint.ts";
import type { Protocol } from "./protocol.ts";

export interface Codec {
  /** @throws Error for a value without an encoding. */
  encode(value: unknown): Uint8Array;
  /** @throws Error for bytes that are no value. */
  decode(bytes: Uint8Array): unknown;
}

export class Border {
  readonly #codec: Codec;
  readonly #protocols: (path: string) => Protocol | undefined;

  constructor(codec: Codec, protocols: (path: string) => Protocol | undefined) {
    this.#codec = codec;
    this.#protocols = protocols;
  }

  /** The body as its receiver would see it; undefined where the message is not one for other nodes. */
  body(path: string, type: string, body: unknown): Checked<unknown> | undefined {
    const protocol = this.#protocols(path);
    if (!protocol?.declares(type)) return undefined;
    return this.#cross(body, (value) => protocol.checkBody(type, value));
  }

  reply(path: string, type: string, value: unknown): Checked<unknown> {
    const protocol = this.#protocols(path);
    if (!protocol?.declares(type)) return { ok: true, value };
    return this.#cross(value, (crossed) => protocol.checkReply(type, crossed));
  }

  #cross(value: unknown, check: (crossed: unknown) => Checked<unknown>): Checked<unknown> {
    try {
      return check(value === undefined ? undefined : this.#codec.decode(this.#codec.encode(value)));
    } catch (error) {
      return { ok: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
