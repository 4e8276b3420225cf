/**
 * Publishes a link's messages to whoever listens: the lossy lane. Messages are numbered, and the number
 * reached is repeated while there is nothing to say, so that a listener knows what it missed. Nothing is kept or sent again.
 */
import { Publisher as PublisherSocket } from "zeromq";
import type { BodyOf, Link, LinkMessages } from "../../supervisor/index.ts";
import { parseAddress, refuseInner, refuseWithoutKeys } from "./address.ts";
import { bindSocket } from "./bind-socket.ts";
import type { Packet } from "./frame.ts";
import { FrameWriter, type Lane } from "./frame-writer.ts";
import { ownEpoch } from "./hello.ts";
import { encodePublished } from "./published-frame.ts";
import { connectionOptions, LINGER_MS, limitsOf } from "./socket-options.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { partsOf } from "./zeromq-sockets.ts";

export interface PublisherOptions {
  /** Loopback tcp or ipc: a publisher has no keys. */
  readonly address: string;
  readonly log: TransportLog;
  /** How often the number is repeated. Default 2,000. */
  readonly heartbeatMs?: number;
}

export interface Publisher<Messages extends LinkMessages> {
  readonly address: string;
  /**
   * Never blocks and never fails for want of listeners; a slow listener misses messages and sees the gap.
   * Throws for a body that cannot be encoded.
   */
  publish<K extends keyof Messages & string>(type: K, body: BodyOf<Messages, K>): void;
  close(): Promise<void>;
}

/** Beyond this the oldest go: in one turn of the event loop nobody sends more that matters. */
const MOST_WAITING = 10_000;

let publisherCounter = 0;

/** @throws EndpointConfigError where the address cannot be bound, or other machines could reach it. */
export async function bindPublisher<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  options: PublisherOptions,
): Promise<Publisher<ToClient>> {
  const address = refuseInner(parseAddress(options.address));
  refuseWithoutKeys(address);
  const limits = limitsOf(options);
  const tally = new Tally(options.log, { link: link.name, address: options.address });
  const socket = new PublisherSocket({
    ...connectionOptions(limits),
    sendTimeout: 0,
    sendHighWaterMark: 1_000,
  });
  try {
    const bound = await bindSocket(socket, address);
    publisherCounter += 1;
    const epoch = `${ownEpoch}.${publisherCounter}`;
    const waiting: Buffer[] = [];
    let sequence = 0;
    const lane: Lane = {
      routingId: undefined,
      expiresAtMs: 0,
      sendable: 0,
      takeFrame: () => waiting.shift(),
    };
    const out = { send: (parts: readonly Packet[]) => socket.send(parts.flatMap(partsOf)) };
    const writer = new FrameWriter(out, {
      unreachable: () => undefined,
      failed: (error) => {
        tally.count("frame not sent", { error });
      },
    });
    const say = (frame: Buffer) => {
      waiting.push(frame);
      if (waiting.length > MOST_WAITING) waiting.shift();
      writer.wake(lane);
    };
    const beating = setInterval(() => {
      say(encodePublished({ epoch, sequence, message: null }));
    }, limits.heartbeatMs);
    const shut = async () => {
      clearInterval(beating);
      bound.unbind();
      await writer.flush(LINGER_MS);
      writer.close();
      socket.close();
    };
    let isClosing = false;
    let closed: Promise<void> | undefined;
    return {
      address: bound.address,
      publish: (type, body) => {
        if (isClosing) return;
        const frame = encodePublished({ epoch, sequence: sequence + 1, message: { type, body } });
        sequence += 1;
        say(frame);
      },
      close: () => {
        isClosing = true;
        closed ??= shut();
        return closed;
      },
    };
  } catch (error) {
    socket.close();
    throw error;
  }
}
