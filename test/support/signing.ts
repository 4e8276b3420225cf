/** Keys and facts for tests of provenance. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProvenanceFacts } from "../../protocol/model/provenance.ts";
import { writeNewSigningKey } from "../../web/provenance/new-signing-key.ts";
import { readSigningKey, type SigningKey } from "../../web/provenance/signing-key.ts";

export interface TestKey {
  readonly key: SigningKey;
  readonly file: string;
  readonly publicFile: string;
  readonly publicPem: string;
}

/** A new key; its folder goes with `end`. */
export async function makeTestKey(name = "Test farm"): Promise<TestKey & { end(): void }> {
  const folder = mkdtempSync(join(tmpdir(), "ww-key-"));
  const file = join(folder, "signing.key");
  const { publicFile } = await writeNewSigningKey(file, name);
  return {
    key: readSigningKey(file),
    file,
    publicFile,
    publicPem: readFileSync(publicFile, "utf8"),
    end: () => rmSync(folder, { recursive: true }),
  };
}

export const sha256Of = (digit: string): string => digit.repeat(64);

/** Of a build of which everything is known. */
export const builtFacts: ProvenanceFacts = {
  fileId: 1,
  filename: "foo_bar-1.0-cp311-cp311-linux_x86_64.whl",
  sha256: sha256Of("a"),
  package: "foo-bar",
  version: "1.0",
  token: 77,
  isImport: false,
  startedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
  finishedAt: Date.UTC(2026, 0, 2, 3, 5, 6),
  target: "cp311-linux_x86_64",
  buildTag: null,
  sdist: {
    sha256: sha256Of("b"),
    filename: "foo_bar-1.0.tar.gz",
    url: "https://files.example/foo_bar-1.0.tar.gz",
  },
  slaveIdentity: "z85-key#of-a-slave",
  productVersion: "0.1.0",
  log: { token: 77, sha256: sha256Of("c") },
  said: {
    durationMs: 61_000,
    environment: {
      runner: "pip",
      sandbox: "bubblewrap",
      network: "index",
      limits: { memoryBytes: 1_000_000, files: null },
    },
    resolved: [
      { name: "setuptools", version: "70.0", sha256: sha256Of("d") },
      { name: "wheel", version: "0.43+local", sha256: null },
    ],
  },
};
