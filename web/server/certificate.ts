/**
 * The key and certificate of a server that speaks TLS itself, read anew when their files change: whoever renews them
 * has nothing to tell us. New ones that do not fit together are left alone, and said, once.
 */
import { readFile, stat } from "node:fs/promises";
import type { Server } from "node:https";
import { createSecureContext } from "node:tls";
import { WebServerError } from "./address.ts";

export interface CertificateFiles {
  /** PEM: the certificate, then those between it and the root. */
  readonly certificate: string;
  /** PEM, without a passphrase. */
  readonly key: string;
}

export interface CertificatePair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** @throws WebServerError `bad-certificate` */
export async function readCertificate(files: CertificateFiles): Promise<CertificatePair> {
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new WebServerError("bad-certificate", `${path} cannot be read (${reason})`, { cause });
    }
  };
  const pair = { cert: await read(files.certificate), key: await read(files.key) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WebServerError(
      "bad-certificate",
      `${files.certificate} and ${files.key} are no certificate with its key, both in PEM (${reason})`,
      { cause },
    );
  }
}

/** Looks at the files again and again, and gives the server what is new. Returns how to end that. */
export function followCertificate(
  server: Server,
  files: CertificateFiles,
  everyMs: number,
  onError: (error: unknown) => void,
): () => void {
  let seen: string | undefined;
  let isLooking = false;
  const look = async (): Promise<void> => {
    const stamp = await stampOf(files);
    if (stamp === seen) return;
    seen = stamp;
    // Also at the first look: what the server has may have been read before it.
    try {
      server.setSecureContext(await readCertificate(files));
    } catch (error) {
      onError(error);
    }
  };
  const lookAgain = (): void => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  };
  lookAgain();
  const timer = setInterval(lookAgain, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

async function stampOf(files: CertificateFiles): Promise<string> {
  const stamps = [files.certificate, files.key].map(async (path) => {
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeMs}`;
  });
  return (await Promise.all(stamps)).join("\n");
}
