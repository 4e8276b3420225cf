/**
 * Connects to a link: checks what it is given and starts a `ClientSide`, which goes on trying until it is
 * closed. Called by the actor or tool that owns the link's connecting end.
 */
import { randomUUID } from "node:crypto";
import type { ClientEndpoint, ClientHandlers, Link, LinkMessages } from "../../supervisor/index.ts";
import { type Address, parseAddress, refuseWildcard, refuseWithoutKeys } from "./address.ts";
import { ClientSide } from "./client-side.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { isKeyPair } from "./key-pair.ts";
import { DEFAULT_OUTBOX_BOUND, limitsOf, windowOf } from "./socket-options.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { framingOf, serverFinder } from "./transports.ts";
import { decodeZ85Key } from "./z85.ts";
import type { ClientKeys } from "./zeromq-sockets.ts";

export interface ConnectOptions<ToClient extends LinkMessages> {
  /**
   * `tcp://HOST:PORT` (the name is looked up anew at each attempt), `ipc:///path`, `inproc://NAME`, `memory://NETWORK/NAME`. Nobody
   * need be bound there yet.
   */
  readonly address: string;
  /** Without keys only addresses of this machine are accepted. Not used with `inproc` and `memory`. */
  readonly keys?: ClientKeys;
  /** Only where no keys are used: `local:NAME`. Default `local:` and a random uuid. */
  readonly identity?: string;
  /** Which of the identity's connections this is, up to 100 characters. Default `main`. */
  readonly slot?: string;
  /**
   * `down` is also called when an attempt was refused, without an `up` before it. Its reason begins with `replaced`, `refused`,
   * `dropped`, `silent`, `disconnected`, `unknown session`, `server closed` or `malformed frame`.
   */
  readonly handlers: ClientHandlers<ToClient>;
  readonly log: TransportLog;
  /** Default 2,000. The server is silent after four of these, or of its own where those are longer. */
  readonly heartbeatMs?: number;
  /** Messages that may wait before `send` says `full`. Default 1,000 (and 64 MiB). */
  readonly outboxBound?: number;
  /** Largest frame taken or sent. Default 16 MiB. */
  readonly maxFrameBytes?: number;
  /** Messages whose `message` promise may be pending; the server holds back what is beyond. Default 1,024, from 1 to 1,000,000. */
  readonly window?: number;
  /** Frames that ZeroMQ may hold unread. Default 64. */
  readonly receiveHighWaterMark?: number;
  /** Delays between attempts, growing and jittered. Default 100 to 10,000; longer after a refusal, longest when replaced. */
  readonly retryMs?: { readonly min: number; readonly max: number };
}

/** Within one attempt; the next one looks the name up again. */
const LONGEST_RECONNECT_MS = 5_000;

/**
 * Returns at once; `up` tells when there is a session. `send` says `gone` and `ask` rejects with `gone` until then; `ask` rejects with
 * `refused` for an answer that is an error and when the outbox is full, with `closed` after `close`.
 * @throws EndpointConfigError where the address or the keys cannot work.
 */
export function connectEndpoint<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  options: ConnectOptions<ToClient>,
): ClientEndpoint<ToServer> {
  const address = parseAddress(options.address);
  refuseWildcard(address);
  const { slot = "main" } = options;
  const identity = options.identity ?? `local:${randomUUID()}`;
  const keys = keysFor(address, options.keys, identity);
  const limits = limitsOf(options);
  const retryMs = options.retryMs ?? { min: 100, max: 10_000 };
  const reconnectMs = { min: retryMs.min, max: Math.min(retryMs.max, LONGEST_RECONNECT_MS) };
  if (slot.length > 100) throw new EndpointConfigError("a slot has at most 100 characters");
  const tally = new Tally(options.log, { link: link.name, address: options.address });
  const side = new ClientSide(link, {
    findServer: serverFinder(address, limits, { keys, identity }, reconnectMs),
    framing: framingOf(address),
    keys,
    identity,
    slot,
    handlers: options.handlers,
    log: options.log,
    tally,
    limits,
    outboxBound: options.outboxBound ?? DEFAULT_OUTBOX_BOUND,
    window: windowOf(options),
    retryMs,
  });
  side.start();
  return {
    send: (type, body) => side.send(type, body),
    ask: (type, body, timeoutMs) => side.ask(type, body, timeoutMs),
    counters: () => tally.snapshot(),
    close: () => side.close(),
  };
}

/** @throws EndpointConfigError where the address needs keys, or they cannot work, or the identity is none. */
function keysFor(
  address: Address,
  keys: ClientKeys | undefined,
  identity: string,
): ClientKeys | undefined {
  if (keys === undefined || address.kind === "inproc" || address.kind === "memory") {
    refuseWithoutKeys(address);
    if (!/^local:[\w.-]{1,100}$/.test(identity)) {
      throw new EndpointConfigError(`${identity}: an identity without keys is local:NAME`);
    }
    return undefined;
  }
  if (!isKeyPair(keys.own)) {
    throw new EndpointConfigError(`${address.text}: the two own keys do not belong together`);
  }
  if (decodeZ85Key(keys.serverPublicKey) === undefined) {
    throw new EndpointConfigError(
      `${address.text}: the server's public key is not one: ${JSON.stringify(keys.serverPublicKey.slice(0, 60))}`,
    );
  }
  return keys;
}
