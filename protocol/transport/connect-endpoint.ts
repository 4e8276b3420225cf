/**
 * Connects to a link: checks what it is given and starts a `ClientSide`, which goes on trying until it is
 * closed. Called by the actor or tool that owns the link's connecting end.
 */
import { randomUUID } from "node:crypto";
import type { ClientEndpoint, ClientHandlers, Link, LinkMessages } from "../../supervisor/index.ts";
import { parseAddress, refuseWildcard, refuseWithoutKeys } from "./address.ts";
import { ClientSide } from "./client-side.ts";
import type { ClientKeys } from "./connection.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { isKeyPair } from "./key-pair.ts";
import { DEFAULT_OUTBOX_BOUND, limitsOf } from "./socket-options.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { decodeZ85Key } from "./z85.ts";

export interface ConnectOptions<ToClient extends LinkMessages> {
  /** `tcp://HOST:PORT` (the name is looked up anew at each attempt) or `ipc:///path`. */
  readonly address: string;
  /** Without keys only loopback and ipc addresses are accepted. */
  readonly keys?: ClientKeys;
  /** Only without keys: `local:NAME`. Default `local:` and a random uuid. */
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
  /** Frames that ZeroMQ may hold unread. Default 64. */
  readonly receiveHighWaterMark?: number;
  /** Delays between attempts, growing and jittered. Default 100 to 10,000; longer after a refusal, longest when replaced. */
  readonly retryMs?: { readonly min: number; readonly max: number };
}

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
  const { keys, slot = "main" } = options;
  const identity = options.identity ?? `local:${randomUUID()}`;
  if (keys === undefined) {
    refuseWithoutKeys(address);
    if (!/^local:[\w.-]{1,100}$/.test(identity)) {
      throw new EndpointConfigError(`${identity}: an identity without keys is local:NAME`);
    }
  } else if (!isKeyPair(keys.own)) {
    throw new EndpointConfigError(`${options.address}: the two own keys do not belong together`);
  } else if (decodeZ85Key(keys.serverPublicKey) === undefined) {
    throw new EndpointConfigError(
      `${options.address}: the server's public key is not one: ${JSON.stringify(keys.serverPublicKey.slice(0, 60))}`,
    );
  }
  if (slot.length > 100) throw new EndpointConfigError("a slot has at most 100 characters");
  const side = new ClientSide(link, {
    address,
    keys,
    identity,
    slot,
    handlers: options.handlers,
    log: options.log,
    tally: new Tally(options.log, { link: link.name, address: options.address }),
    limits: limitsOf(options),
    outboxBound: options.outboxBound ?? DEFAULT_OUTBOX_BOUND,
    retryMs: options.retryMs ?? { min: 100, max: 10_000 },
  });
  side.start();
  return {
    send: (type, body) => side.send(type, body),
    ask: (type, body, timeoutMs) => side.ask(type, body, timeoutMs),
    close: () => side.close(),
  };
}
