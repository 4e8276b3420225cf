/**
 * Connects to a link: checks what it is given and starts a `ClientSide`, which goes on trying until it is
 * closed. Called by the actor or tool that owns the link's connecting end. Several sessions of one client share a connection where
 * they are opened on one `Line`, each with a slot of its own.
 */
import { randomUUID } from "node:crypto";
import type { ClientEndpoint, ClientHandlers, Link, LinkMessages } from "../../supervisor/index.ts";
import { type Address, parseAddress, refuseWildcard, refuseWithoutKeys } from "./address.ts";
import { refuseWrongKeys } from "./client-keys.ts";
import { ClientSide } from "./client-side.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { Line } from "./line.ts";
import { DEFAULT_OUTBOX_BOUND, limitsOf, windowOf } from "./socket-options.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { framingOf, serverFinder } from "./transports.ts";
import type { ClientKeys } from "./zeromq-sockets.ts";

/** Of the connection, and so of all sessions on it. */
export interface LineOptions {
  /**
   * `tcp://HOST:PORT` (the name is looked up anew at each attempt), `ipc:///path`, `inproc://NAME`, `memory://NETWORK/NAME`. Nobody
   * need be bound there yet.
   */
  readonly address: string;
  /** Without keys only addresses of this machine are accepted. Not used with `inproc` and `memory`. */
  readonly keys?: ClientKeys;
  /** Only where no keys are used: `local:NAME`. Default `local:` and a random uuid. */
  readonly identity?: string;
  readonly log: TransportLog;
  /** Default 2,000. The server is silent after four of these, or of its own where those are longer. */
  readonly heartbeatMs?: number;
  /** Largest frame taken or sent. Default 16 MiB. */
  readonly maxFrameBytes?: number;
  /** Frames that ZeroMQ may hold unread. Default 64. */
  readonly receiveHighWaterMark?: number;
  /** Delays between attempts, growing and jittered. Default 100 to 10,000; longer after a refusal, longest when replaced. */
  readonly retryMs?: { readonly min: number; readonly max: number };
}

export interface SessionOptions<ToClient extends LinkMessages> {
  /**
   * Which of the identity's connections this is, up to 100 characters: a newer one replaces an older. Default: one of its
   * own, as for tools and monitors that may share a key.
   */
  readonly slot?: string;
  /**
   * `down` is also called when an attempt was refused, without an `up` before it. Its reason begins with `replaced`, `refused`,
   * `dropped`, `silent`, `disconnected`, `unknown session`, `server closed` or `malformed frame`.
   */
  readonly handlers: ClientHandlers<ToClient>;
  readonly log: TransportLog;
  /** Messages that may wait before `send` says `full`. Default 1,000 (and 64 MiB). */
  readonly outboxBound?: number;
  /** Messages whose `message` promise may be pending; the server holds back what is beyond. Default 1,024, from 1 to 1,000,000. */
  readonly window?: number;
}

export type ConnectOptions<ToClient extends LinkMessages> = LineOptions & SessionOptions<ToClient>;

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
  const tally = new Tally(options.log, { link: link.name, address: options.address });
  return openSession(makeLine(options, tally), link, options, tally);
}

/**
 * A line is connected from when its first session is opened until the last is closed.
 * @throws EndpointConfigError where the address or the keys cannot work.
 */
export function openLine(options: LineOptions): Line {
  return makeLine(options, new Tally(options.log, { address: options.address }));
}

/** As `connectEndpoint`, on a connection that others use too. Two of the same slot replace each other. */
export function connectOver<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  line: Line,
  link: Link<ToServer, ToClient>,
  options: SessionOptions<ToClient>,
): ClientEndpoint<ToServer> {
  return openSession(line, link, options, new Tally(options.log, { link: link.name }));
}

function makeLine(options: LineOptions, tally: Tally): Line {
  const address = parseAddress(options.address);
  refuseWildcard(address);
  const identity = options.identity ?? `local:${randomUUID()}`;
  const keys = keysFor(address, options.keys, identity);
  const limits = limitsOf(options);
  const retryMs = options.retryMs ?? { min: 100, max: 10_000 };
  const reconnectMs = { min: retryMs.min, max: Math.min(retryMs.max, LONGEST_RECONNECT_MS) };
  return new Line({
    findServer: serverFinder(address, limits, { keys, identity }, reconnectMs),
    framing: framingOf(address),
    keys,
    identity,
    tally,
    limits,
    retryMs,
  });
}

function openSession<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  line: Line,
  link: Link<ToServer, ToClient>,
  options: SessionOptions<ToClient>,
  tally: Tally,
): ClientEndpoint<ToServer> {
  const { slot = randomUUID(), handlers, log, outboxBound = DEFAULT_OUTBOX_BOUND } = options;
  if (slot.length > 100) throw new EndpointConfigError("a slot has at most 100 characters");
  const window = windowOf(options);
  const side = new ClientSide(link, { line, slot, handlers, log, tally, outboxBound, window });
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
  refuseWrongKeys(address, keys);
  return keys;
}
