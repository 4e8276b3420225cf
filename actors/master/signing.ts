/**
 * Signing: gives wheels their provenance, and the farm's keys their place on the site. File Juggler calls it as it
 * places files (`placement.ts`), and for `piw-rebuild provenance`. What is signed is read from the database each time.
 *
 *     draft (blob, then its hash in the database) -> FILE.provenance -> advertised (`markSigned`)
 *
 * After a crash in between it goes on with the draft that stands. A wheel is never held up for want of its
 * provenance: what cannot be signed is logged, and published without.
 */
import type { RequestArgs } from "../../db/requests.ts";
import type { ProvenanceFacts } from "../../protocol/model/provenance.ts";
import { AskError, type Logger } from "../../supervisor/index.ts";
import { signProvenance } from "../../web/provenance/provenance.ts";
import { renderKeys } from "../../web/provenance/published-keys.ts";
import type { SigningKey } from "../../web/provenance/signing-key.ts";
import { provenanceKey } from "../../web/public-key.ts";
import { type Storage, StorageError } from "../../web/storage.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "./database.ts";

export interface Signer {
  readonly key: SigningKey;
  /** Where the site is, without a slash at the end; undefined: not known. */
  readonly farmUrl: string | undefined;
}

interface Means {
  readonly database: DatabaseRef;
  readonly storage: Storage;
}

interface SigningContext extends Asker {
  readonly log: Logger;
}

interface NamedFile {
  readonly id: number;
  readonly package: string;
  readonly filename: string;
}

type Signed = RequestArgs<"markSigned">["signed"][number];

/** Of one question: a file's facts may hold 500 build requirements. */
const BATCH = 20;

/**
 * Writes the provenance of files whose wheels stand, and has it advertised.
 * @returns how many were signed
 * @throws StorageError `full`
 */
export async function signFiles(
  ctx: SigningContext,
  means: Means,
  signer: Signer,
  files: readonly NamedFile[],
): Promise<number> {
  let sum = 0;
  for (let at = 0; at < files.length; at += BATCH)
    sum += await signSome(ctx, means, signer, files.slice(at, at + BATCH));
  return sum;
}

async function signSome(
  ctx: SigningContext,
  means: Means,
  signer: Signer,
  files: readonly NamedFile[],
): Promise<number> {
  const signed: Signed[] = [];
  try {
    const fileIds = files.map((file) => file.id);
    const known = await askUntilDone(ctx, means.database, "provenanceFacts", { fileIds });
    for (const { facts, draft } of known) {
      const sha256 = await putOne(ctx, means, signer, facts, draft);
      if (sha256 !== null) signed.push({ fileId: facts.fileId, sha256 });
    }
    if (signed.length > 0) await askUntilDone(ctx, means.database, "markSigned", { signed });
    return signed.length;
  } catch (error) {
    if (isForOthers(error)) throw error;
    const names = files.map((file) => file.filename);
    ctx.log.error(
      { err: error, files: names },
      "wheels could not be signed, and are published without provenance: piw-rebuild provenance tries again",
    );
    return 0;
  }
}

/** A full disk holds up the wheel too; the end of the actor ends all. */
const isForOthers = (error: unknown): boolean =>
  (error instanceof StorageError && error.code === "full") ||
  (error instanceof AskError && error.code === "aborted");

/** Null: it is gone meanwhile, or somebody else has signed it. */
async function putOne(
  ctx: SigningContext,
  { database, storage }: Means,
  { key, farmUrl }: Signer,
  facts: ProvenanceFacts,
  draft: string | null,
): Promise<string | null> {
  const { fileId } = facts;
  let sha256 = draft;
  // A draft whose blob went, e.g. since it lay there for days, is made anew.
  if (sha256 !== null && !(await storage.touchBlob(sha256))) {
    await askUntilDone(ctx, database, "dropDraft", { fileId, sha256 });
    sha256 = null;
  }
  if (sha256 === null) {
    const made = await storage.putBlob(await signProvenance(facts, key, farmUrl));
    sha256 = await askUntilDone(ctx, database, "draftProvenance", { fileId, sha256: made });
  }
  if (sha256 === null) return null;
  const name = provenanceKey(facts.package, facts.filename);
  try {
    await storage.publishOnce(name, sha256);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "exists") throw error;
    // Nothing advertises it: it was left by a database that was restored since.
    await storage.remove(name);
    await storage.publishOnce(name, sha256);
  }
  return sha256;
}

/** Writes the farm's public keys below `keys/`, those that it signed with before too. Repeatable. */
export async function publishKeys(
  ctx: SigningContext,
  { database, storage }: Means,
  { key }: Signer,
): Promise<void> {
  const known = await askUntilDone(ctx, database, "signWith", {
    id: key.id,
    certificate: key.certificate.toString(),
  });
  for (const [name, contents] of renderKeys(known, key.id)) await storage.replace(name, contents);
}
