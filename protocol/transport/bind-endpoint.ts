/**
 * Binds a link: a bound socket with its reader, its writer and its clock, around a `ServerSide` that knows the
 * sessions. Called by the actor that owns the link's bound end.
 */
import type { Link, LinkMessages, ServerEndpoint, ServerHandlers } from "../../supervisor/index.ts";
import { type Address, parseAddress, refuseWithoutKeys } from "./address.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { FRAME_OVERHEAD_BYTES } from "./frame.ts";
import { FrameWriter } from "./frame-writer.ts";
import { isKeyPair, type KeyPair } from "./key-pair.ts";
import { startTicking } from "./liveness.ts";
import { ServerSide } from "./server-side.ts";
import { DEFAULT_OUTBOX_BOUND, LINGER_MS, limitsOf, windowOf } from "./socket-options.ts";
import { SocketReader } from "./socket-reader.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { bindFrameSocket, framingOf } from "./transports.ts";

/** How a bound endpoint proves itself and whom it lets in. */
export interface ServerKeys {
  readonly secret: KeyPair;
  /**
   * Asked at the door and at HELLO: the answer may change at any time. Must be quick; a throw is a no.
   */
  isAuthorised(publicKeyZ85: string): boolean;
  /**
   * Asked several times in each heartbeat's interval while a session lasts, which ends with a no. Default `isAuthorised`; other
   * than that where the answer may be unknown for a while. A throw is a yes.
   */
  mayStay?(publicKeyZ85: string): boolean;
}

export interface BindOptions<ToServer extends LinkMessages> {
  /**
   * `tcp://*:5555`, `tcp://[::]:5555`, `tcp://127.0.0.1:0` (any free port), `ipc:///path`; `inproc://NAME` within the process: by
   * reference, with nothing copied or checked (but see `forceCodec`); `memory://NETWORK/NAME` over a network of a test.
   */
  readonly address: string;
  /** Without keys only addresses of this machine are accepted. `inproc` and `memory` use none: who is there is `local:…`. */
  readonly keys?: ServerKeys;
  readonly handlers: ServerHandlers<ToServer>;
  readonly log: TransportLog;
  /** Default 2,000. A peer is silent after four of these without a sign of life. */
  readonly heartbeatMs?: number;
  /** Messages that may wait for one peer before `send` says `full`. Default 1,000 (and 64 MiB). */
  readonly outboxBound?: number;
  /** Largest frame taken or sent. Default 16 MiB; a larger one ends its connection. */
  readonly maxFrameBytes?: number;
  /**
   * Messages of one peer whose `message` promise may be pending; the peer holds back what is beyond. Default 1,024, from 1
   * to 1,000,000.
   */
  readonly window?: number;
  /** Frames that ZeroMQ may hold unread for each peer. Default 64; 4 to 8 where frames are 1 MiB. */
  readonly receiveHighWaterMark?: number;
}

/**
 * Resolves when the address is bound. `drop(peer, reason)` is followed by `closed(peer, "refused")`; `close()` by `closed(peer, "closed")` for
 * each peer. `send` throws for a body that cannot be encoded or exceeds `maxFrameBytes`: that is the caller's mistake.
 * @throws EndpointConfigError where the address cannot be bound as asked, is in use, or would need keys.
 */
export async function bindEndpoint<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  options: BindOptions<ToServer>,
): Promise<ServerEndpoint<ToClient>> {
  const address = parseAddress(options.address);
  const { handlers, log } = options;
  const keys = serverKeysFor(address, options.keys);
  const tally = new Tally(log, { link: link.name, address: options.address });
  const limits = limitsOf(options);
  const window = windowOf(options);
  const { isAuthorised, mayStay, atTheDoor } = askKeys(keys, tally);
  const bound = await bindFrameSocket(
    link.name,
    address,
    limits,
    tally,
    keys && { secret: keys.secret, isAuthorised: atTheDoor },
  );
  const { socket } = bound;
  const writer = new FrameWriter(socket, {
    unreachable: (lane) => {
      side.unreachable(lane);
    },
    failed: (error) => {
      tally.count("frame not sent", { error });
    },
  });
  const side = new ServerSide(
    link,
    {
      door: { link, keys: keys && { secretKey: keys.secret.secretKey, isAuthorised, mayStay } },
      handlers,
      tally,
      heartbeatMs: limits.heartbeatMs,
      outboxBound: options.outboxBound ?? DEFAULT_OUTBOX_BOUND,
      largestMessageBytes: limits.maxFrameBytes - FRAME_OVERHEAD_BYTES,
      window,
      framing: framingOf(address),
      drained: (most) => reader.drained(most),
    },
    writer,
  );
  let isClosing = false;
  const reader = new SocketReader(socket, {
    take: (parts) => {
      if (!isClosing) side.receive(parts);
    },
    failed: (error) => {
      tally.count("receive failed", { error });
    },
  });
  const stopTicking = startTicking(limits.heartbeatMs, (passedMs) => {
    side.tick(passedMs);
  });
  const shut = async () => {
    isClosing = true;
    stopTicking();
    side.close(LINGER_MS);
    bound.unbind();
    await writer.flush(LINGER_MS);
    writer.close();
    socket.close("lingering");
    bound.release();
    await reader.ended;
  };
  let closed: Promise<void> | undefined;
  log.info({ link: link.name, address: bound.address, keys: keys !== undefined }, "bound");
  return {
    address: bound.address,
    send: (peer, type, body) => side.send(peer, type, body),
    drop: (peer, reason) => {
      side.drop(peer, reason);
    },
    counters: () => tally.snapshot(),
    close: () => {
      closed ??= shut();
      return closed;
    },
  };
}

/** The owner's answers about keys; what it throws is its mistake, and nobody's way in or out. */
export function askKeys(keys: ServerKeys | undefined, tally: Tally) {
  const isAuthorised = (key: string): boolean => {
    try {
      return keys?.isAuthorised(key) === true;
    } catch (error) {
      tally.count("handler threw", { error });
      return false;
    }
  };
  const mayStay = (key: string): boolean => {
    try {
      return (keys?.mayStay?.(key) ?? keys?.isAuthorised(key)) === true;
    } catch (error) {
      tally.count("handler threw", { error });
      return true;
    }
  };
  const atTheDoor = (key: string): boolean => {
    const isWelcome = isAuthorised(key);
    if (!isWelcome) tally.count("key not authorised", { publicKey: key });
    return isWelcome;
  };
  return { isAuthorised, mayStay, atTheDoor };
}

/** @throws EndpointConfigError where they are missing or do not belong together. */
export function serverKeysFor(
  address: Address,
  keys: ServerKeys | undefined,
): ServerKeys | undefined {
  if (address.kind === "inproc" || address.kind === "memory") return undefined;
  if (keys === undefined) refuseWithoutKeys(address);
  else if (!isKeyPair(keys.secret)) {
    throw new EndpointConfigError(`${address.text}: the two keys do not belong together`);
  }
  return keys;
}
