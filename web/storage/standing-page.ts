/** What stands under a page's name now: whether it is what is to be written, with its compressed copies. */
import { open, stat } from "node:fs/promises";
import { readFully, systemCode } from "./disk.ts";
import { isCompressible, VARIANTS, variantsOf } from "./variants.ts";

export interface StandingPage {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Its copies are those that a page of its size has, and of its instant. */
  readonly hasCopies: boolean;
}

/** Undefined where no ordinary file has the name. */
export async function findStanding(key: string, place: string): Promise<StandingPage | undefined> {
  const found = await findInstant(place);
  if (found?.isFile() !== true) return undefined;
  const sizeBytes = Number(found.size);
  return {
    sizeBytes,
    modifiedMs: Number(found.mtimeNs / 1_000_000n),
    hasCopies: await hasCopies(key, place, sizeBytes, found.mtimeNs),
  };
}

async function hasCopies(
  key: string,
  place: string,
  sizeBytes: number,
  mtimeNs: bigint,
): Promise<boolean> {
  if (!isCompressible(key)) return true;
  const expected = variantsOf(key, sizeBytes);
  const found = await Promise.all(VARIANTS.map(({ suffix }) => findInstant(`${place}${suffix}`)));
  return VARIANTS.every((variant, at) => {
    const copy = found[at];
    return expected.includes(variant)
      ? copy?.isFile() === true && copy.mtimeNs === mtimeNs
      : copy === undefined;
  });
}

const STEP_BYTES = 256 * 1024;

/** Whether two files of the same length hold the same bytes. */
export async function areSame(one: string, other: string): Promise<boolean> {
  const handles = [await open(one, "r")];
  try {
    handles.push(await open(other, "r"));
    const buffers = [Buffer.allocUnsafe(STEP_BYTES), Buffer.allocUnsafe(STEP_BYTES)] as const;
    for (let offset = 0; ; ) {
      const [a, b] = await Promise.all(
        handles.map((handle, at) => readFully(handle, buffers[at] ?? buffers[0], offset)),
      );
      if (a === undefined || b === undefined || !a.equals(b)) return false;
      if (a.length === 0) return true;
      offset += a.length;
    }
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

async function findInstant(place: string) {
  try {
    return await stat(place, { bigint: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return undefined;
    throw error;
  }
}
