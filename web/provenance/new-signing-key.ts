/**
 * Makes a signing key: FILE (key and certificate, for its owner alone), FILE.pub (the public key) and FILE.crt (the
 * certificate), in PEM. Called by `piw keygen --signing` and by `piw farm`; loads what writes X.509 only then.
 */
import { createPublicKey, webcrypto } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { keyIdOf, SigningKeyError } from "./signing-key.ts";

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** RFC 5280, 4.1.2.5: what has no end of its own. A key is used until another one takes its place. */
const NO_END = new Date("9999-12-31T23:59:59Z");

export interface NewSigningKey {
  readonly id: string;
  readonly publicFile: string;
  readonly certificateFile: string;
}

/**
 * @param name of the farm, for the certificate
 * @throws SigningKeyError where one of the files is there already, or cannot be written
 */
export async function writeNewSigningKey(file: string, name: string): Promise<NewSigningKey> {
  const files = { publicFile: `${file}.pub`, certificateFile: `${file}.crt` };
  for (const each of [file, files.publicFile, files.certificateFile])
    if (existsSync(each))
      throw new SigningKeyError(`${each} exists already and is not overwritten`);
  const { id, key, certificate, publicKey } = await make(name);
  writeNew(files.publicFile, publicKey, 0o644);
  writeNew(files.certificateFile, certificate, 0o644);
  // Last: where this one stands, all do.
  writeNew(file, key + certificate, 0o600);
  return { id, ...files };
}

async function make(name: string) {
  // Its classes register themselves with this one, which therefore comes first.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: new x509.Name([{ CN: [{ utf8String: name }] }]).toString(),
    notBefore: new Date(),
    notAfter: NO_END,
    signingAlgorithm: P256,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.codeSigning]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const secret = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  const spki = await webcrypto.subtle.exportKey("spki", keys.publicKey);
  const publicKey = createPublicKey({ key: Buffer.from(spki), type: "spki", format: "der" });
  return {
    id: keyIdOf(publicKey),
    key: pem("PRIVATE KEY", Buffer.from(secret)),
    certificate: pem("CERTIFICATE", Buffer.from(made.rawData)),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function writeNew(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { flag: "wx", mode, flush: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SigningKeyError(`cannot write ${file}: ${reason}`, { cause: error });
  }
}
