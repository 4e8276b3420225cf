/**
 * The storage contract on a local folder:
 *
 *     <output>/.store/            mode 0700, on the same file system as what is public
 *         staging/<token>/<file>  what is arriving
 *         blobs/<2 digits>/<sha256>
 *         parts/                  what large pages are joined from
 *         temporary/              half-written things
 *     <output>/simple/... logs/... project/...   public, readable by all
 *
 *         quarantine/<time>/      what piw-audit took from its place
 *
 * One process at a time opens it for writing, and beside it piw-audit, with a folder of its own for what
 * is half-written; readers use `openPublicFolder`.
 */
import { chmod, mkdir, rm, statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BlobFolder } from "./blob-folder.ts";
import { type Storage, StorageError } from "./contract.ts";
import { findStat, inStorageWords } from "./disk.ts";
import { pagesSettled } from "./page-thread.ts";
import { PageWriter } from "./page-writer.ts";
import { PartFolder } from "./part-folder.ts";
import { openPublicFolder } from "./public-folder.ts";
import { PublicPlaces } from "./public-places.ts";
import { PublicWriter } from "./public-writer.ts";
import { StagingFolder } from "./staging-folder.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

/**
 * Opens the folder, making what is missing and emptying what a crash left half-written.
 * @param temporaryName for a program that writes beside the master: a folder of its own for what is half-written
 * @throws StorageError `failed` when the folder cannot be made or written
 */
export async function openLocalStorage(
  outputPath: string,
  temporaryName = "temporary",
): Promise<Storage> {
  const output = resolve(outputPath);
  const store = join(output, ".store");
  const temporary = new TemporaryFolder(join(store, temporaryName));
  const staging = new StagingFolder(join(store, "staging"));
  const blobs = new BlobFolder(join(store, "blobs"), temporary);
  const places = new PublicPlaces(output);
  const writer = new PublicWriter(places, temporary);
  const pages = new PageWriter(places, temporary);
  const parts = new PartFolder(join(store, "parts"), temporary);

  await inStorageWords(`opening ${outputPath}`, async () => {
    await mkdir(output, { recursive: true });
    await mkdir(store, { recursive: true, mode: 0o700 });
    await chmod(store, 0o700);
    for (const part of [temporary, staging, blobs, parts]) await part.prepare();
  });

  const getBlob = async (sha256: string): Promise<string> => {
    if (await blobs.has(sha256)) return blobs.pathOf(sha256);
    throw new StorageError("missing", `there is no blob ${sha256}`);
  };

  return {
    ...openPublicFolder(output),

    openStaged: (token, filename) =>
      inStorageWords(`staging ${filename}`, () => staging.open(token, filename)),
    stagedLength: (token, filename) =>
      inStorageWords(`looking for ${filename}`, async () => {
        return (await findStat(staging.pathOf(token, filename)))?.size ?? 0;
      }),
    stagedPath: (token, filename) => staging.pathOf(token, filename),
    clearStaging: (token) => inStorageWords(`clearing build ${token}`, () => staging.clear(token)),
    listStaging: () => inStorageWords("listing what is staged", () => staging.list()),

    commitBlob: (token, filename, sha256) =>
      inStorageWords(`storing ${filename}`, async () => {
        const staged = staging.pathOf(token, filename);
        const known = await staging.finish(token, filename);
        await blobs.adopt(staged, sha256, known);
        await rm(staged, { force: true });
      }),
    putBlob: (bytes) => inStorageWords("storing a blob", () => blobs.put(bytes)),
    blobLength: (sha256) => inStorageWords("looking for a blob", () => blobs.lengthOf(sha256)),
    touchBlob: (sha256) => inStorageWords("looking for a blob", () => blobs.touch(sha256)),
    blobPath: (sha256) => blobs.pathOf(sha256),
    sweepBlobs: (findReferenced, graceMs) =>
      inStorageWords("sweeping blobs", () => blobs.sweep(findReferenced, graceMs)),

    publishOnce: (key, sha256) =>
      inStorageWords(`publishing ${key}`, async () => {
        // Placing may be done again after the blob was swept: what stands is what was asked for.
        if (!(await blobs.has(sha256)) && (await writer.holds(key, sha256))) return;
        await writer.linkOnce(key, await getBlob(sha256), sha256);
      }),
    publishCompressed: (key, sha256) =>
      inStorageWords(`publishing ${key}`, async () => {
        await writer.compress(key, await getBlob(sha256));
      }),
    replace: (key, contents) =>
      inStorageWords(`writing ${key}`, async () => {
        return (await pages.replaceAll([{ key, contents }])) > 0;
      }),
    replaceAll: (all) =>
      inStorageWords(`writing ${all[0]?.key ?? "no page"}`, () => pages.replaceAll(all)),
    pagesSettled,
    replaceStream: (page) =>
      inStorageWords(`writing ${page.key}`, async () => (await pages.replaceStreams([page])) > 0),
    remove: (key) => inStorageWords(`removing ${key}`, () => pages.remove(key)),

    writeParts: (some) =>
      inStorageWords(`keeping ${some[0]?.name ?? "no part"}`, () => parts.write(some)),
    readPart: (name) => inStorageWords(`reading ${name}`, () => parts.find(name)),
    listParts: () => inStorageWords("listing parts of pages", () => parts.list()),
    removePart: (name) => inStorageWords(`removing ${name}`, () => parts.remove(name)),
    join: (joined) =>
      inStorageWords(`writing ${joined[0]?.key ?? "no page"}`, async () => {
        await pages.replaceStreams(
          joined.map(({ key, contents, gzip }) => ({
            key,
            chunks: parts.read(contents),
            copies: { gzip: parts.read(gzip) },
          })),
        );
      }),

    room: () =>
      inStorageWords("measuring the disk", async () => {
        const { bavail, blocks, bsize } = await statfs(store);
        return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
      }),
  };
}
