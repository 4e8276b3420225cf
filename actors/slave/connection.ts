/**
 * What both links of a slave share: where the master is, which keys prove who speaks, how long to wait
 * between attempts. Made in tree.ts, used by the link session and the file sender.
 */
import { type ClientKeys, connectEndpoint } from "../../protocol/transport/index.ts";
import type {
  ClientEndpoint,
  ClientHandlers,
  Link,
  LinkMessages,
  Logger,
} from "../../supervisor/index.ts";

export interface Connection {
  readonly address: string;
  /** Undefined: a link without keys, for loopback and ipc addresses only. */
  readonly keys: ClientKeys | undefined;
  /** Who speaks where there are no keys; the same after a restart, or its builds were a stranger's. */
  readonly identity: string;
  /** Tells slaves apart that share a key. Of both links of a slave it is the same. */
  readonly slot: string;
  readonly heartbeatMs: number;
  readonly retryMs: { readonly min: number; readonly max: number };
}

/** @throws EndpointConfigError where the address or the keys cannot work */
export function openLink<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  connection: Connection,
  log: Logger,
  handlers: ClientHandlers<ToClient>,
): ClientEndpoint<ToServer> {
  const { address, keys, identity, slot, heartbeatMs, retryMs } = connection;
  return connectEndpoint(link, {
    address,
    ...(keys === undefined ? { identity } : { keys }),
    slot,
    heartbeatMs,
    retryMs,
    handlers,
    log,
  });
}
