/**
 * The transport's front door: links over ZeroMQ, with sessions, keys and heartbeats. The only room that
 * knows zeromq and msgpackr; it knows nothing of wheels. What it implements is declared in `supervisor/`.
 */
export { type AuthorizedKey, type AuthorizedKeys, readAuthorizedKeys } from "./authorized-keys.ts";
export { type BindOptions, bindEndpoint, type ServerKeys } from "./bind-endpoint.ts";
export { type ConnectOptions, connectEndpoint } from "./connect-endpoint.ts";
export type { ClientKeys } from "./connection.ts";
export { EndpointConfigError } from "./endpoint-config-error.ts";
export { readKeyFile, readPublicKeyFile, writeKeyFile, writePublicKeyFile } from "./key-file.ts";
export { generateKeyPair, type KeyPair } from "./key-pair.ts";
export { bindPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
export { connectSubscriber, type SubscriberOptions, type Subscription } from "./subscriber.ts";
export type { TransportLog } from "./transport-log.ts";
