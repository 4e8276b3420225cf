/**
 * The address decides how frames travel: which sockets, and whether as bytes or by reference. Called by
 * `bindEndpoint` and `connectEndpoint`.
 */
import type { Address } from "./address.ts";
import type { BoundFrameSocket, FindServer } from "./frame-socket.ts";
import { asBytes, byReference, type Framing } from "./framing.ts";
import { getMemoryNetwork, MemoryNetwork } from "./memory-network.ts";
import type { SocketLimits } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import {
  bindRouter,
  type ClientKeys,
  findZeromqServer,
  type RouterGuard,
} from "./zeromq-sockets.ts";

/** Of the process (a worker thread has its own): names of `inproc://` addresses. */
const inproc = new MemoryNetwork({ name: "inproc" });

let isCodecForced = process.env["WHEELWRIGHT_FORCE_CODEC"] === "1";

/**
 * With `true`, `inproc://` endpoints that are opened from now on encode, decode and check all that they send, as a link between
 * processes does, so that one test run shows what would not survive a wire. So does the environment variable WHEELWRIGHT_FORCE_CODEC=1.
 */
export function forceCodec(isForced: boolean): void {
  isCodecForced = isForced;
}

export function framingOf(address: Address): Framing {
  return address.kind === "inproc" && !isCodecForced ? byReference : asBytes;
}

/** @throws EndpointConfigError where the address cannot be bound. */
export function bindFrameSocket(
  link: string,
  address: Address,
  limits: SocketLimits,
  tally: Tally,
  keys: RouterGuard | undefined,
): Promise<BoundFrameSocket> {
  switch (address.kind) {
    case "tcp":
    case "ipc":
      return bindRouter(link, address, limits, tally, keys);
    case "inproc":
      return inproc.bind(address.name, address.text, limits);
    case "memory":
      return getMemoryNetwork(address.network).bind(address.name, address.text, limits);
  }
}

/** @throws EndpointConfigError for a memory network that does not exist. */
export function serverFinder(
  address: Address,
  limits: SocketLimits,
  who: { readonly keys: ClientKeys | undefined; readonly identity: string },
  reconnectMs: { readonly min: number; readonly max: number },
): FindServer {
  switch (address.kind) {
    case "tcp":
    case "ipc":
      return findZeromqServer(address, limits, who.keys, reconnectMs);
    case "inproc":
    case "memory": {
      const network = address.kind === "inproc" ? inproc : getMemoryNetwork(address.network);
      const dial = network.dialler(address.name, who.identity, limits);
      return () => Promise.resolve(dial);
    }
  }
}
