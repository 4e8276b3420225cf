/**
 * Listens to a publisher and says when something was missed. Connects and comes back by itself, for ever; that
 * nothing is heard is no event here. Called by monitors.
 */
import { Subscriber as SubscriberSocket } from "zeromq";
import type { Link, LinkMessages, MessageOf } from "../../supervisor/index.ts";
import { parseAddress, refuseInner, refuseWildcard, refuseWithoutKeys } from "./address.ts";
import { refuseWrongKeys } from "./client-keys.ts";
import type { Packet } from "./frame.ts";
import { decodePublished } from "./published-frame.ts";
import { SerialCalls } from "./serial-calls.ts";
import { connectionOptions, limitsOf } from "./socket-options.ts";
import { SocketReader } from "./socket-reader.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { type ClientKeys, curveClientOptions, watchDoor } from "./zeromq-sockets.ts";

export interface SubscriberOptions<Messages extends LinkMessages> {
  /** `tcp://HOST:PORT` or `ipc:///path`. */
  readonly address: string;
  /** Without keys only addresses of this machine are accepted. */
  readonly keys?: ClientKeys;
  readonly log: TransportLog;
  onMessage(message: MessageOf<Messages>): void;
  /**
   * `missed` messages were lost since the last one heard; 0 where the publisher was restarted and nobody
   * can know. What was said before the first message heard is no gap.
   */
  onGap(missed: number): void;
  /** The publisher is there: called with all that it says, also where that is only how far its numbers have come. */
  onSign?(): void;
}

export interface Subscription {
  close(): Promise<void>;
}

/** @throws EndpointConfigError where the address cannot work. */
export function connectSubscriber<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  options: SubscriberOptions<ToClient>,
): Subscription {
  const address = refuseInner(parseAddress(options.address));
  refuseWildcard(address);
  if (options.keys === undefined) refuseWithoutKeys(address);
  else refuseWrongKeys(address, options.keys);
  const tally = new Tally(options.log, { link: link.name, address: options.address });
  const socket = new SubscriberSocket({
    ...connectionOptions(limitsOf({})),
    ...curveClientOptions(options.keys),
    linger: 0,
    ipv6: address.kind === "tcp" && address.host.includes(":"),
    receiveHighWaterMark: 1_000,
    reconnectInterval: 100,
    reconnectMaxInterval: 2_000,
  });
  void watchDoor(socket, tally);
  socket.subscribe();
  socket.connect(address.text);
  const calls = new SerialCalls((error) => {
    tally.count("handler threw", { error });
  });
  let heard: { epoch: string; sequence: number } | undefined;

  const take = (parts: readonly Packet[]) => {
    try {
      const [bytes] = parts;
      if (bytes === undefined || parts.length !== 1) throw new Error(`${parts.length} parts`);
      if (!Buffer.isBuffer(bytes)) throw new Error("a frame of another kind");
      const { epoch, sequence, message } = decodePublished(bytes);
      const before = heard;
      heard = { epoch, sequence };
      calls.run(() => {
        options.onSign?.();
      });
      if (before !== undefined && before.epoch !== epoch) {
        calls.run(() => {
          options.onGap(0);
        });
      } else if (before !== undefined) {
        const expected = before.sequence + (message === null ? 0 : 1);
        if (sequence > expected) {
          calls.run(() => {
            options.onGap(sequence - expected);
          });
        } else if (sequence < expected) {
          heard = before;
          tally.count("repeated frame");
          return;
        }
      }
      if (message === null) return;
      const checked = link.checkToClient(message.type, message.body);
      if (checked.ok) {
        calls.run(() => {
          options.onMessage(checked.value);
        });
      } else tally.count("invalid message", { reason: checked.reason });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tally.count("malformed frame", { reason });
    }
  };
  let isClosed = false;
  const reader = new SocketReader(socket, {
    take: (parts) => {
      if (!isClosed) take(parts);
    },
    failed: (error) => {
      tally.count("receive failed", { error });
    },
  });
  return {
    close: async () => {
      isClosed = true;
      if (!socket.closed) socket.close();
      await reader.ended;
    },
  };
}
