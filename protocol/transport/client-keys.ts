/**
 * The keys with which slaves, tools and monitors come to a master: a key pair of their own, and the master's public key.
 * Called by their programs at the start.
 */
import { existsSync } from "node:fs";
import type { Address } from "./address.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { readKeyFile, readPublicKeyFile } from "./key-file.ts";
import { isKeyPair } from "./key-pair.ts";
import { decodeZ85Key } from "./z85.ts";
import type { ClientKeys } from "./zeromq-sockets.ts";

/**
 * Undefined where neither was given.
 * @param masterKey Z85 of 40 characters, or the path of a file that holds it
 * @throws EndpointConfigError where only one was given, or one cannot be read
 */
export function readClientKeys(
  keyFile: string | undefined,
  masterKey: string | undefined,
): ClientKeys | undefined {
  if (masterKey === undefined && keyFile === undefined) return undefined;
  if (masterKey === undefined || keyFile === undefined) {
    throw new EndpointConfigError(
      "the master's public key and one's own key go together: give both --master-key and --key, or neither",
    );
  }
  return {
    own: readKeyFile(keyFile),
    serverPublicKey: existsSync(masterKey) ? readPublicKeyFile(masterKey) : masterKey.trim(),
  };
}

/** @throws EndpointConfigError where they cannot work */
export function refuseWrongKeys({ text }: Address, { own, serverPublicKey }: ClientKeys): void {
  if (!isKeyPair(own)) {
    throw new EndpointConfigError(`${text}: the two own keys do not belong together`);
  }
  if (decodeZ85Key(serverPublicKey) === undefined) {
    throw new EndpointConfigError(
      `${text}: the server's public key is not one: ${JSON.stringify(serverPublicKey.slice(0, 60))}`,
    );
  }
}

/**
 * What monitors and the master use on one of the links between them: keys over tcp. An ipc socket is guarded by its
 * file's mode, on both sides, whatever keys there are for tcp.
 */
export const keysOverTcp = <K>(address: string, keys: K | undefined): K | undefined =>
  address.startsWith("tcp:") ? keys : undefined;
