/**
 * How the slave's links reach the master: where it is, which keys prove who speaks, how long to wait between
 * attempts. The jobs of a slave are sessions of their own, over one connection for each link. Lines are made in tree.ts,
 * links opened by the link sessions and file senders, and by `--check`.
 */
import {
  type ClientKeys,
  connectOver,
  type Line,
  openLine,
} from "../../protocol/transport/index.ts";
import type {
  ClientEndpoint,
  ClientHandlers,
  Link,
  LinkMessages,
  Logger,
} from "../../supervisor/index.ts";

export interface MasterAddress {
  readonly address: string;
  /** Undefined: a link without keys, for loopback and ipc addresses only. */
  readonly keys: ClientKeys | undefined;
  /** Who speaks where there are no keys; the same after a restart, or its builds were a stranger's. */
  readonly identity: string;
  readonly heartbeatMs: number;
  readonly retryMs: { readonly min: number; readonly max: number };
}

export interface Connection {
  readonly line: Line;
  /** Tells apart the jobs of a slave, and slaves that share a key. Of both links of a job it is the same. */
  readonly slot: string;
}

/** Connected while somebody has a link open on it. @throws EndpointConfigError where the address or the keys cannot work */
export function lineTo(master: MasterAddress, log: Logger): Line {
  const { address, keys, identity, heartbeatMs, retryMs } = master;
  return openLine({
    address,
    ...(keys === undefined ? { identity } : { keys }),
    heartbeatMs,
    retryMs,
    log,
  });
}

export function openLink<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  { line, slot }: Connection,
  log: Logger,
  handlers: ClientHandlers<ToClient>,
): ClientEndpoint<ToServer> {
  return connectOver(line, link, { slot, handlers, log });
}
