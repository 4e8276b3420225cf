/**
 * CURVE key pairs as text: what `piw keygen` makes, key files hold and endpoints take. A public key in
 * Z85 is a slave's identity everywhere above the transport.
 */
import { curveKeyPair } from "zeromq";
import { publicKeyOf } from "./hello-proof.ts";

/** Curve25519 keys in Z85 (ZeroMQ RFC 32), 40 characters each. */
export interface KeyPair {
  readonly publicKey: string;
  readonly secretKey: string;
}

/** Both keys begin with a letter or a digit, so that neither looks like an option or a comment. */
export function generateKeyPair(): KeyPair {
  for (;;) {
    const pair = curveKeyPair();
    if (/^[0-9a-z]/i.test(pair.publicKey) && /^[0-9a-z]/i.test(pair.secretKey)) return pair;
  }
}

/** Whether both are keys and the public one belongs to the secret one. */
export function isKeyPair(pair: KeyPair): boolean {
  try {
    return publicKeyOf(pair.secretKey) === pair.publicKey;
  } catch {
    return false;
  }
}
