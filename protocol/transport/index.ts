/**
 * The transport's front door: links over ZeroMQ, within the process and over in-memory networks, with
 * sessions, credit, keys and heartbeats. The only room that knows zeromq and msgpackr; it knows nothing of wheels. What it
 * implements is declared in `supervisor/`.
 */
import { decode, encode } from "./codec.ts";

/** What node letters and frames put around the body of a message. */
const LEVELS_AROUND_BODIES = 6;

/** Of the wire, for messages that are to be treated as if they crossed it. */
export const codec = {
  encode: (value: unknown): Buffer => encode(value, LEVELS_AROUND_BODIES),
  decode,
};

export { type AuthorizedKey, type AuthorizedKeys, readAuthorizedKeys } from "./authorized-keys.ts";
export { type BindOptions, bindEndpoint, type ServerKeys } from "./bind-endpoint.ts";
export { keysOverTcp, readClientKeys } from "./client-keys.ts";
export {
  type ConnectOptions,
  connectEndpoint,
  connectOver,
  type LineOptions,
  openLine,
} from "./connect-endpoint.ts";
export { EndpointConfigError } from "./endpoint-config-error.ts";
export { readKeyFile, readPublicKeyFile, writeKeyFile, writePublicKeyFile } from "./key-file.ts";
export { generateKeyPair, type KeyPair } from "./key-pair.ts";
export { type Added, addKey, listKeys, type RegisteredKey, revokeKey } from "./key-register.ts";
export type { Line } from "./line.ts";
export {
  createMemoryNetwork,
  type Direction,
  type MemoryNetwork,
  type MemoryNetworkOptions,
  type Which,
} from "./memory-network.ts";
export type { NetworkFaults } from "./memory-wire.ts";
export {
  connectNode,
  type NodeConnectionOptions,
  type NodeDoorOptions,
  openNodeDoor,
} from "./node-endpoints.ts";
export { bindPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
export { connectSubscriber, type SubscriberOptions, type Subscription } from "./subscriber.ts";
export type { TransportLog } from "./transport-log.ts";
export { forceCodec } from "./transports.ts";
export type { ClientKeys } from "./zeromq-sockets.ts";
