/** Public keys that somebody trusts: read from PEM, as `piw keygen --signing` writes them and the site has them. */
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { isP256, keyIdOf, SigningKeyError } from "./signing-key.ts";

/** By their ids. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * All public keys of a text, one after the other: keys, or certificates of such.
 * @param where said in errors
 * @throws SigningKeyError where there is none, or one that no farm signs with
 */
export function readTrustedKeys(text: string, where: string): TrustedKeys {
  const keys = new Map<string, KeyObject>();
  for (const [block, label] of text.matchAll(BLOCK)) {
    if (label?.endsWith("PRIVATE KEY") === true)
      throw new SigningKeyError(
        `${where} is a secret key: give its public one, which lies beside it with .pub`,
      );
    const key = keyIn(block, label ?? "", where);
    if (!isP256(key))
      throw new SigningKeyError(`${where}: no farm signs with such a key (EC on P-256 is wanted)`);
    keys.set(keyIdOf(key), key);
  }
  if (keys.size === 0)
    throw new SigningKeyError(
      `${where} holds no public key in PEM (BEGIN PUBLIC KEY or BEGIN CERTIFICATE)`,
    );
  return keys;
}

function keyIn(block: string, label: string, where: string): KeyObject {
  try {
    return label === "CERTIFICATE" ? new X509Certificate(block).publicKey : createPublicKey(block);
  } catch (error) {
    throw new SigningKeyError(`${where} is damaged: a key in it cannot be read`, { cause: error });
  }
}
