/**
 * A page that arrives bit by bit, put into temporary files: it is never whole in memory. What there is is complete
 * and durable then, so that the page thread has only to put it in its place.
 */
import { open } from "node:fs/promises";
import type { StreamedPage } from "./contract.ts";
import { writeAt } from "./disk.ts";
import type { NewPage } from "./replace-pages.ts";
import type { Variant } from "./variants.ts";

/** @param newName gives names of temporary files */
export async function stageStream(
  { key, chunks, copies = {} }: StreamedPage,
  place: string,
  newName: () => string,
): Promise<NewPage> {
  const file = newName();
  const sizeBytes = await writeChunks(file, chunks);
  const staged: Partial<Record<Variant["encoding"], string>> = {};
  for (const encoding of ["br", "gzip"] as const) {
    const copy = copies[encoding];
    if (copy === undefined) continue;
    const name = newName();
    await writeChunks(name, copy);
    staged[encoding] = name;
  }
  return { key, place, contents: { file, sizeBytes }, copies: staged };
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
    await handle.sync();
    return length;
  } finally {
    await handle.close();
  }
}
