/** A connecting socket driven by hand, for what no honest client would say. Speaks the frames of the transport, or any bytes. */
import { Dealer, type SocketOptions } from "zeromq";
import {
  decodeFrame,
  decodeMessages,
  encodeData,
  encodeDataHead,
  encodeFrame,
  encodeMessage,
  type Frame,
  type WireMessage,
} from "../../../protocol/transport/frame.ts";
import type { FrameSocket } from "../../../protocol/transport/frame-socket.ts";
import { makeHello, makeRoutingId } from "../../../protocol/transport/hello.ts";
import type { ClientKeys } from "../../../protocol/transport/index.ts";
import { getMemoryNetwork } from "../../../protocol/transport/memory-network.ts";
import { limitsOf } from "../../../protocol/transport/socket-options.ts";
import { closeLater, echoLink } from "./echo-link.ts";

abstract class RawSpeaker {
  abstract readonly routingId: string;
  /** A server takes each for one session at a time. */
  session = "raw-session";
  /** The number of the last message that it takes. */
  credit = 1_024;
  #sequence = 0;

  abstract send(bytes: Buffer): Promise<void>;
  protected abstract receive(): Promise<Buffer>;

  /** Says HELLO as `who` (by default with no keys) and returns the answer to it. */
  async hello(
    who: Parameters<typeof makeHello>[4] = { identity: "local:raw" },
    changes: object = {},
  ): Promise<Frame> {
    const hello = makeHello(echoLink, this.session, "raw", this.routingId, who);
    await this.send(encodeFrame("HELLO", this.session, { ...hello, ...changes }));
    for (;;) {
      const answer = await this.next();
      if (answer.kind !== "WHO") return answer;
    }
  }

  async say(...messages: WireMessage[]): Promise<void> {
    const first = this.#sequence + 1;
    this.#sequence += messages.length;
    await this.sayFrom(first, ...messages);
  }

  /** With a number of its own for the first of them. */
  async sayFrom(first: number, ...messages: WireMessage[]): Promise<void> {
    const encoded = messages.map((message) => encodeMessage(message));
    await this.send(encodeData(encodeDataHead(this.session), first, this.credit, encoded));
  }

  /** The next frame but heartbeats. */
  async next(): Promise<Frame> {
    for (;;) {
      const frame = decodeFrame(await this.receive());
      if (frame.kind !== "DATA" || decodeMessages(frame.payload).length > 0) return frame;
    }
  }

  async nextMessages(): Promise<WireMessage[]> {
    return decodeMessages((await this.next()).payload);
  }
}

/** Over ZeroMQ. */
export class RawPeer extends RawSpeaker {
  readonly routingId: string;
  readonly socket: Dealer;

  constructor(address: string, keys?: ClientKeys, options: SocketOptions<Dealer> = {}) {
    super();
    this.routingId = options.routingId ?? makeRoutingId();
    const curve =
      keys === undefined
        ? {}
        : {
            curvePublicKey: keys.own.publicKey,
            curveSecretKey: keys.own.secretKey,
            curveServerKey: keys.serverPublicKey,
          };
    this.socket = new Dealer({
      linger: 0,
      receiveTimeout: 5_000,
      ...curve,
      ...options,
      routingId: this.routingId,
    });
    this.socket.connect(address);
    closeLater({
      close: () => {
        this.socket.close();
      },
    });
  }

  async send(bytes: Buffer): Promise<void> {
    await this.socket.send(bytes);
  }

  protected async receive(): Promise<Buffer> {
    const [bytes] = await this.socket.receive();
    return bytes ?? Buffer.alloc(0);
  }
}

/** Over an in-memory network. */
class RawMemoryPeer extends RawSpeaker {
  readonly routingId = makeRoutingId();
  readonly #socket: FrameSocket;

  constructor(network: string, name: string) {
    super();
    const dial = getMemoryNetwork(network).dialler(name, "local:raw", limitsOf({}));
    this.#socket = dial(this.routingId, {
      connected: () => undefined,
      broken: () => undefined,
      turnedAway: () => undefined,
      failed: () => undefined,
    });
    closeLater({
      close: () => {
        this.#socket.close("at once");
      },
    });
  }

  async send(bytes: Buffer): Promise<void> {
    await this.#socket.send([bytes]);
  }

  protected async receive(): Promise<Buffer> {
    const [bytes] = await this.#socket.receive();
    return Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
  }
}

export function openRawPeer(address: string, keys?: ClientKeys): RawSpeaker {
  const [, network, name] = /^memory:\/\/([^/]+)\/(.+)$/.exec(address) ?? [];
  return network === undefined || name === undefined
    ? new RawPeer(address, keys)
    : new RawMemoryPeer(network, name);
}
