/**
 * A page that waits under temporary names for its place: complete, with its compressed copies, all synced and of
 * one instant. Made from bytes, or from what arrives bit by bit and is never whole in memory.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, unlink } from "node:fs/promises";
import { compress, createCompressor } from "./compress.ts";
import type { PublicPage, StreamedPage } from "./contract.ts";
import { writeAt } from "./disk.ts";
import { areSame, findStanding, type StandingPage } from "./standing-page.ts";
import { isCompressible, VARIANTS, type Variant, variantsOf } from "./variants.ts";

export interface StagedPage {
  readonly key: string;
  /** The copies come first, so that the page itself is the last to appear. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
  /** Copies that a former page may have had and this has not. */
  readonly surplus: readonly string[];
}

/** Or, where it stands already: since when. */
export type Staged = StagedPage | { readonly standsSinceMs: number };

interface Means {
  /** Where the page will be. */
  readonly place: string;
  readonly newName: () => string;
}

export async function stagePage({ key, contents }: PublicPage, means: Means): Promise<Staged> {
  const { place, newName } = means;
  const bytes = typeof contents === "string" ? Buffer.from(contents) : contents;
  const standing = await findStanding(key, place);
  if (standing?.hasCopies === true && standing.sizeBytes === bytes.length) {
    if ((await readFile(place)).equals(bytes)) return { standsSinceMs: standing.modifiedMs };
  }
  const modifiedMs = nextInstant(standing, bytes.length);
  const page = newName();
  const files = [{ from: page, to: place }];
  await writeFile(page, bytes, modifiedMs);
  for (const { encoding, suffix } of variantsOf(key, bytes.length)) {
    const copy = newName();
    await writeFile(copy, await compress(bytes, encoding), modifiedMs);
    files.unshift({ from: copy, to: `${place}${suffix}` });
  }
  return { key, files, surplus: surplusOf(key, place, bytes.length) };
}

export async function stageStream(
  { key, chunks, copies = {} }: StreamedPage,
  { place, newName }: Means,
): Promise<Staged> {
  const page = newName();
  const sizeBytes = await writeChunks(page, chunks);
  const standing = await findStanding(key, place);
  if (standing?.hasCopies === true && standing.sizeBytes === sizeBytes) {
    if (await areSame(page, place)) {
      await unlink(page);
      return { standsSinceMs: standing.modifiedMs };
    }
  }
  const modifiedMs = nextInstant(standing, sizeBytes);
  const files = [{ from: page, to: place }];
  for (const { encoding, suffix } of variantsOf(key, sizeBytes)) {
    const copy = newName();
    await writeChunks(copy, copies[encoding] ?? compressed(page, encoding));
    await finish(copy, modifiedMs);
    files.unshift({ from: copy, to: `${place}${suffix}` });
  }
  await finish(page, modifiedMs);
  return { key, files, surplus: surplusOf(key, place, sizeBytes) };
}

function surplusOf(key: string, place: string, sizeBytes: number): string[] {
  if (!isCompressible(key)) return [];
  const kept = variantsOf(key, sizeBytes);
  return VARIANTS.filter((variant) => !kept.includes(variant)).map(
    ({ suffix }) => `${place}${suffix}`,
  );
}

/**
 * When a page counts as written: now, in whole milliseconds, which every program can set and read exactly. Other
 * servers tell pages apart by size and second: a page as long as the one before it gets another second.
 */
function nextInstant(standing: StandingPage | undefined, sizeBytes: number): number {
  const now = Date.now();
  if (standing?.sizeBytes !== sizeBytes) return now;
  return Math.max(now, (Math.floor(standing.modifiedMs / 1_000) + 1) * 1_000);
}

/** Creates a file that is readable by all, synced, and of this instant. It must not exist yet. */
async function writeFile(path: string, bytes: Uint8Array, modifiedMs: number): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await writeAt(handle, bytes, 0);
    await seal(handle, modifiedMs);
  } finally {
    await handle.close();
  }
}

async function writeChunks(
  path: string,
  chunks: AsyncIterable<Uint8Array | string>,
): Promise<number> {
  const handle = await open(path, "wx");
  try {
    let length = 0;
    for await (const chunk of chunks) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      await writeAt(handle, bytes, length);
      length += bytes.length;
    }
    return length;
  } finally {
    await handle.close();
  }
}

async function finish(path: string, modifiedMs: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await seal(handle, modifiedMs);
  } finally {
    await handle.close();
  }
}

async function seal(handle: FileHandle, modifiedMs: number): Promise<void> {
  await handle.chmod(0o644);
  await handle.utimes(modifiedMs / 1_000, modifiedMs / 1_000);
  await handle.sync();
}

async function* compressed(
  path: string,
  encoding: Variant["encoding"],
): AsyncGenerator<Uint8Array> {
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  const compressor = createCompressor(encoding);
  source.on("error", (error) => compressor.destroy(error));
  try {
    for await (const chunk of source.pipe(compressor)) yield chunk as Buffer;
  } finally {
    source.destroy();
  }
}
