/**
 * The farm's signing key: one PEM file with an ECDSA P-256 key (PKCS#8) and its self-signed certificate. Read by
 * the master at its start, made by `piw keygen --signing` and by `piw farm` (new-signing-key.ts).
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { promisify } from "node:util";

/** The message is one line and says what to do. */
export class SigningKeyError extends Error {
  override readonly name = "SigningKeyError";
}

export interface SigningKey {
  /** SHA-256 of the public key as SubjectPublicKeyInfo (DER), in hexadecimal. */
  readonly id: string;
  readonly certificate: X509Certificate;
  /** An ECDSA signature over the SHA-256 of the bytes, in DER. Made in another thread. */
  sign(bytes: Uint8Array): Promise<Buffer>;
}

/** Far above any key file; keeps a wrong path (a log, a device) from being read whole. */
const LARGEST_FILE_BYTES = 64 * 1024;
const MAKE_ONE = "make one with piw keygen --signing";
const signAside = promisify(sign) as (
  algorithm: string,
  data: Uint8Array,
  key: KeyObject,
) => Promise<Buffer>;

export const keyIdOf = (key: KeyObject): string =>
  createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");

export const isP256 = (key: KeyObject): boolean =>
  key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";

/** @throws SigningKeyError where the file is missing, open to others than its owner, or holds something else */
export function readSigningKey(path: string): SigningKey {
  const text = readKeyText(path);
  const key = privateKeyIn(text, path);
  const certificate = certificateIn(text, path);
  if (!isP256(key))
    throw new SigningKeyError(
      `${path}: the signing key is ${kindOf(key)}, and has to be an EC key on P-256: ${MAKE_ONE}`,
    );
  if (!certificate.checkPrivateKey(key))
    throw new SigningKeyError(
      `${path}: its certificate is that of another key: ${MAKE_ONE}, or put in the right one`,
    );
  return {
    id: keyIdOf(createPublicKey(key)),
    certificate,
    sign: (bytes) => signAside("sha256", bytes, key),
  };
}

function readKeyText(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > LARGEST_FILE_BYTES)
      throw new SigningKeyError(`${path} is not a key file: ${MAKE_ONE}`);
    if ((stat.mode & 0o077) !== 0)
      throw new SigningKeyError(
        `${path} may be read by others than its owner: chmod 600 it, or ${MAKE_ONE}`,
      );
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof SigningKeyError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SigningKeyError(`cannot read the signing key ${path}: ${reason}`, { cause: error });
  }
}

function privateKeyIn(text: string, path: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text))
    throw new SigningKeyError(
      `${path} is encrypted, and the master has nobody to ask for its passphrase: openssl pkcs8 -topk8 -nocrypt takes it off`,
    );
  if (!text.includes("-----BEGIN PRIVATE KEY-----"))
    throw new SigningKeyError(
      `${path} holds no private key in PKCS#8 (BEGIN PRIVATE KEY): ${MAKE_ONE}`,
    );
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new SigningKeyError(`${path} is damaged: its private key cannot be read`, {
      cause: error,
    });
  }
}

function certificateIn(text: string, path: string): X509Certificate {
  const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text)?.[0];
  if (block === undefined)
    throw new SigningKeyError(
      `${path} holds no certificate of the key: append one (openssl req -x509 -key ${path} …), or ${MAKE_ONE}`,
    );
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw new SigningKeyError(`${path} is damaged: its certificate cannot be read`, {
      cause: error,
    });
  }
}

const kindOf = (key: KeyObject): string => {
  const { asymmetricKeyType: type = "of an unknown kind", asymmetricKeyDetails: details } = key;
  return details?.namedCurve === undefined ? type.toUpperCase() : `on ${details.namedCurve}`;
};
