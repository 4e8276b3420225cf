/**
 * Proves that the one who says HELLO holds the secret of the key that it names. CURVE shows at the door
 * that some authorised key is there, but not which one speaks on a ROUTER: so HELLO carries an HMAC under the
 * Diffie-Hellman secret of both keys, over everything that HELLO claims and the routing id of its connection.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  timingSafeEqual,
} from "node:crypto";
import { decodeZ85Key, encodeZ85Key } from "./z85.ts";

/** What the proof is bound to; none of it can be changed or carried to another connection. */
export interface HelloClaim {
  readonly link: string;
  readonly linkVersion: number;
  readonly epoch: string;
  readonly session: string;
  readonly slot: string;
  readonly publicKey: string;
  readonly nonce: Uint8Array;
  readonly routingId: Uint8Array;
}

/** DER heads of an X25519 key (RFC 8410), before its 32 raw bytes. */
const PRIVATE_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b656e032100", "hex");

/** @throws Error where a key is not one. */
export function proveHello(claim: HelloClaim, ownSecret: string, theirPublic: string): Buffer {
  const secret = diffieHellman({
    privateKey: createPrivateKey({
      key: Buffer.concat([PRIVATE_HEAD, keyBytes(ownSecret)]),
      format: "der",
      type: "pkcs8",
    }),
    publicKey: createPublicKey({
      key: Buffer.concat([PUBLIC_HEAD, keyBytes(theirPublic)]),
      format: "der",
      type: "spki",
    }),
  });
  // JSON, so that no two claims read the same.
  const text = JSON.stringify([
    "wheelwright hello 1",
    claim.link,
    claim.linkVersion,
    claim.epoch,
    claim.session,
    claim.slot,
    claim.publicKey,
    Buffer.from(claim.nonce).toString("hex"),
    Buffer.from(claim.routingId).toString("hex"),
  ]);
  return createHmac("sha256", secret).update(text).digest();
}

/** Never throws: a key that cannot be used (a point of low order, say) proves nothing. */
export function isHelloProven(claim: HelloClaim, proof: Uint8Array, ownSecret: string): boolean {
  try {
    const expected = proveHello(claim, ownSecret, claim.publicKey);
    return proof.length === expected.length && timingSafeEqual(expected, proof);
  } catch {
    return false;
  }
}

/** The public key of a secret one. @throws Error where the text is not a key. */
export function publicKeyOf(secretKey: string): string {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PRIVATE_HEAD, keyBytes(secretKey)]),
    format: "der",
    type: "pkcs8",
  });
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return encodeZ85Key(der.subarray(PUBLIC_HEAD.length));
}

function keyBytes(text: string): Buffer {
  const key = decodeZ85Key(text);
  if (key === undefined) throw new Error("not a Z85 key");
  return key;
}
