/** piw-audit: every wheel that stands, its metadata beside it, and their blobs. */
import { type AuditedFile, auditedFiles, forgetProvenance, withdrawFile } from "../../db/audit.ts";
import { markPlaced } from "../../db/files.ts";
import { inspectWheel } from "../../protocol/packaging/wheel-archive.ts";
import { metadataKey, provenanceKey, wheelKey } from "../../web/public-key.ts";
import { blobPlace, type Storage } from "../../web/storage.ts";
import { type Audit, examine, type Problem } from "./examination.ts";
import { clear, isGood, problemOf } from "./public-file.ts";

const BATCH = 1_000;

export async function auditWheels(audit: Audit): Promise<void> {
  for (let afterId = 0; ; ) {
    const items = await auditedFiles(audit.sql, { afterId, limit: BATCH });
    const last = items.at(-1);
    if (last === undefined) return;
    afterId = last.id;
    await examine(audit, {
      what: "wheels",
      items,
      look: (file) => look(audit, file),
      refresh: (files) => auditedFiles(audit.sql, { ids: files.map((file) => file.id) }),
    });
  }
}

async function look(audit: Audit, file: AuditedFile): Promise<Problem[]> {
  const { tree } = audit;
  const wheel = wheelKey(file.package, file.filename);
  if (!file.isPlaced) {
    if (!file.isLate) return [];
    const detail = "it was settled long ago and is not public yet";
    return [
      { kind: "not-placed", place: wheel, detail, mend: (storage) => place(audit, storage, file) },
    ];
  }
  const { sha256, sizeBytes } = file;
  const isHashed = !audit.isQuick;
  const wrong = await problemOf(tree, wheel, { sha256, sizeBytes }, isHashed);
  if (wrong !== undefined)
    return [{ ...wrong, mend: mendOf(wrong, (storage) => place(audit, storage, file)) }];
  const problems: Problem[] = [];
  const metadata = metadataKey(file.package, file.filename);
  const unfit = await problemOf(tree, metadata, { sha256: file.metadataSha256 }, isHashed);
  if (unfit !== undefined)
    problems.push({
      ...unfit,
      mend: mendOf(unfit, (storage) => placeMetadata(audit, storage, file)),
    });
  const unsigned = await problemOfProvenance(audit, file);
  if (unsigned !== undefined) problems.push(unsigned);
  const blob = await problemOfBlob(audit, wheel, file);
  if (blob !== undefined) {
    const mend = async () => {
      // Only what is known to be right becomes the blob again.
      if (!(await isGood(tree, wheel, { sha256, sizeBytes })))
        throw new Error(`${wheel} is not right any more`);
      const cleared = await clear(audit, blobPlace(sha256));
      await tree.restoreBlob(wheel, sha256);
      return `${cleared}linked again to the public file`;
    };
    problems.push({ ...blob, mend: mendOf(blob, mend) });
  }
  return problems;
}

async function problemOfProvenance(
  audit: Audit,
  { id, package: name, filename, provenanceSha256: sha256 }: AuditedFile,
): Promise<Problem | undefined> {
  if (sha256 === null) return undefined;
  const { tree, sql, isQuick } = audit;
  const key = provenanceKey(name, filename);
  const problem = await problemOf(tree, key, { sha256 }, !isQuick);
  if (problem === undefined) return undefined;
  const mend = async (storage: Storage): Promise<string> => {
    const hasBlob = await isGood(tree, blobPlace(sha256), { sha256 });
    const done = await clear(audit, key);
    if (hasBlob) {
      await storage.publishOnce(key, sha256);
      return `${done}placed again from its blob`;
    }
    const cleared = await clear(audit, blobPlace(sha256));
    await tree.expectSameDisk();
    await forgetProvenance(sql, id, sha256);
    return `${done}${cleared}no good copy is left: pages name it no more, and piw-rebuild provenance signs anew`;
  };
  return { ...problem, mend: mendOf(problem, mend) };
}

const mendOf = (problem: Omit<Problem, "mend">, mend: Problem["mend"]): Problem["mend"] =>
  problem.kind === "unreadable" ? undefined : mend;

/** The blob is mostly the same file; one that was restored from elsewhere is read for itself. */
async function problemOfBlob(
  { tree, isQuick }: Audit,
  wheel: string,
  { sha256, sizeBytes }: AuditedFile,
): Promise<Omit<Problem, "mend"> | undefined> {
  const place = blobPlace(sha256);
  const [found, publicFile] = [await tree.look(place), await tree.look(wheel)];
  const isSame =
    found.kind === "file" && publicFile.kind === "file" && found.identity === publicFile.identity;
  if (isSame) return undefined;
  return problemOf(tree, place, { sha256, sizeBytes }, !isQuick);
}

/** Puts the wheel and its metadata where they belong, from a blob that is right; else withdraws the file. */
async function place(audit: Audit, storage: Storage, file: AuditedFile): Promise<string> {
  const { tree, sql } = audit;
  const { sha256, sizeBytes } = file;
  const wheel = wheelKey(file.package, file.filename);
  const known = { sha256, sizeBytes };
  let done = "";
  if (!(await isGood(tree, wheel, known))) {
    const hasBlob = await isGood(tree, blobPlace(sha256), known);
    done += await clear(audit, wheel);
    if (!hasBlob) {
      done += await clear(audit, blobPlace(sha256));
      await tree.expectSameDisk();
      await withdrawFile(sql, file.id);
      return `${done}withdrawn, since no good copy is left: where it was built here it is built again`;
    }
  }
  if (!file.isPlaced) await placeMetadata(audit, storage, file);
  await storage.publishOnce(wheel, sha256);
  if (!file.isPlaced) await markPlaced.run(sql, { fileIds: [file.id], logTokens: [] });
  return `${done}placed again from its blob`;
}

/** From its blob, or from the wheel, which has it too. */
async function placeMetadata(audit: Audit, storage: Storage, file: AuditedFile): Promise<string> {
  const { tree } = audit;
  const key = metadataKey(file.package, file.filename);
  const known = { sha256: file.metadataSha256 };
  const isPublic = await isGood(tree, key, known);
  if (!(await isGood(tree, blobPlace(known.sha256), known))) {
    await clear(audit, blobPlace(known.sha256));
    const wheel = tree.pathOf(
      file.isPlaced ? wheelKey(file.package, file.filename) : blobPlace(file.sha256),
    );
    const { metadataText, metadataSha256 } = await inspectWheel(wheel, {
      filename: file.filename,
      verifyHashes: false,
    });
    if (metadataSha256 !== known.sha256)
      throw new Error("the wheel's own metadata is not what was published");
    await storage.putBlob(metadataText);
  }
  const done = isPublic ? "" : await clear(audit, key);
  await storage.publishOnce(key, known.sha256);
  return `${done}placed again`;
}
