/**
 * What stands under a page's name now: whether it is what is to be written, with its compressed copies. For the page
 * thread (replace-pages.ts).
 */
import { statSync } from "node:fs";
import { systemCode } from "./disk.ts";
import { isCompressible, VARIANTS, variantsOf } from "./variants.ts";

export interface StandingPage {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Its copies are those that a page of its size has, and of its instant. */
  readonly hasCopies: boolean;
}

/** Undefined where no ordinary file has the name. */
export function findStanding(key: string, place: string): StandingPage | undefined {
  const found = findInstant(place);
  if (found?.isFile() !== true) return undefined;
  const sizeBytes = Number(found.size);
  return {
    sizeBytes,
    modifiedMs: Number(found.mtimeNs / 1_000_000n),
    hasCopies: hasCopies(key, place, sizeBytes, found.mtimeNs),
  };
}

function hasCopies(key: string, place: string, sizeBytes: number, mtimeNs: bigint): boolean {
  if (!isCompressible(key)) return true;
  const expected = variantsOf(key, sizeBytes);
  return VARIANTS.every((variant) => {
    const copy = findInstant(`${place}${variant.suffix}`);
    return expected.includes(variant)
      ? copy?.isFile() === true && copy.mtimeNs === mtimeNs
      : copy === undefined;
  });
}

function findInstant(place: string) {
  try {
    return statSync(place, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (systemCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
