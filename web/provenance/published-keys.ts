/**
 * The farm's public keys as files of the site, written by File Juggler. All that ever signed stay: files keep the
 * provenance that they were given.
 *
 *     keys/ID.pem    the public key      keys/ID.crt   its certificate
 *     keys/all.pem   all public keys     keys/index.json   which there are, the one in use first
 */
import { X509Certificate } from "node:crypto";

export interface KnownKey {
  readonly id: string;
  /** PEM. */
  readonly certificate: string;
  /** In ms since 1970. */
  readonly firstUsedAt: number;
}

export const ALL_KEYS_KEY = "keys/all.pem";
export const KEY_LIST_KEY = "keys/index.json";

/** The files, by their keys. @param inUse the id of the key that signs now */
export function renderKeys(known: readonly KnownKey[], inUse: string): Map<string, string> {
  const files = new Map<string, string>();
  const ordered = [...known].sort(
    (a, b) => Number(b.id === inUse) - Number(a.id === inUse) || b.firstUsedAt - a.firstUsedAt,
  );
  const publicKeys = ordered.map(({ certificate }) =>
    new X509Certificate(certificate).publicKey.export({ type: "spki", format: "pem" }).toString(),
  );
  for (const [at, { id, certificate }] of ordered.entries()) {
    files.set(`keys/${id}.pem`, publicKeys[at] ?? "");
    files.set(`keys/${id}.crt`, certificate);
  }
  files.set(ALL_KEYS_KEY, publicKeys.join(""));
  const list = ordered.map(({ id, firstUsedAt }) => ({
    id,
    algorithm: "ECDSA P-256 SHA-256",
    inUse: id === inUse,
    firstUsedOn: new Date(firstUsedAt).toISOString(),
    publicKey: `${id}.pem`,
    certificate: `${id}.crt`,
  }));
  files.set(KEY_LIST_KEY, `${JSON.stringify({ version: 1, keys: list }, null, 2)}\n`);
  return files;
}
