/** A DEALER driven by hand, for what no honest client would say. Speaks the frames of the transport, or any bytes. */
import { Dealer, type SocketOptions } from "zeromq";
import {
  decodeFrame,
  decodeMessages,
  encodeData,
  encodeFrame,
  encodeMessage,
  type Frame,
  type WireMessage,
} from "../../../protocol/transport/frame.ts";
import { makeHello, makeRoutingId } from "../../../protocol/transport/hello.ts";
import type { ClientKeys } from "../../../protocol/transport/index.ts";
import { closeLater, echoLink } from "./echo-link.ts";

export class RawPeer {
  readonly routingId: string;
  readonly session = "raw-session";
  readonly socket: Dealer;
  #sequence = 0;

  constructor(address: string, keys?: ClientKeys, options: SocketOptions<Dealer> = {}) {
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

  /** Says HELLO as `who` (by default with no keys) and returns the answer to it. */
  async hello(
    who: Parameters<typeof makeHello>[4] = { identity: "local:raw" },
    changes: object = {},
  ): Promise<Frame> {
    const hello = makeHello(echoLink, this.session, "raw", this.routingId, who);
    await this.socket.send(encodeFrame("HELLO", this.session, { ...hello, ...changes }));
    for (;;) {
      const answer = await this.next();
      if (answer.kind !== "WHO") return answer;
    }
  }

  async say(...messages: WireMessage[]): Promise<void> {
    this.#sequence += 1;
    await this.socket.send(
      encodeData(
        this.session,
        this.#sequence,
        messages.map((message) => encodeMessage(message)),
      ),
    );
  }

  /** The next frame but heartbeats. */
  async next(): Promise<Frame> {
    for (;;) {
      const [bytes] = await this.socket.receive();
      const frame = decodeFrame(bytes ?? Buffer.alloc(0));
      if (frame.kind !== "DATA" || decodeMessages(frame.payload).length > 0) return frame;
    }
  }

  async nextMessages(): Promise<WireMessage[]> {
    return decodeMessages((await this.next()).payload);
  }
}
