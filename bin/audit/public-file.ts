/** What may be wrong with one file whose contents the database knows: by its kind, its size, its hash. */
import type { Place, TreeInspection } from "../../web/storage.ts";
import type { Problem } from "./examination.ts";

export interface Known {
  readonly sha256: string;
  /** Undefined where only the hash is known. */
  readonly sizeBytes?: number;
  /** What is hashed is unpacked first. */
  readonly isCompressed?: boolean;
}

/** Undefined: it is as it should be, as far as was looked. */
export async function problemOf(
  tree: TreeInspection,
  place: string,
  known: Known,
  isHashed: boolean,
): Promise<Omit<Problem, "mend"> | undefined> {
  const found = await tree.look(place);
  const problem = (kind: string, detail: string) => ({ kind, place, detail });
  switch (found.kind) {
    case "absent":
      return problem("missing", "there is no such file");
    case "odd":
      return problem("no-file", found.reason);
    case "unreadable":
      return problem("unreadable", found.reason);
    case "file":
      break;
  }
  if (known.sizeBytes !== undefined && found.sizeBytes !== known.sizeBytes)
    return problem("wrong-size", `${found.sizeBytes} bytes instead of ${known.sizeBytes}`);
  if (!isHashed) return undefined;
  try {
    const sha256 = await tree.hash(place, known.isCompressed ?? false);
    if (sha256 !== known.sha256)
      return problem("wrong-hash", `its SHA-256 is ${sha256} instead of ${known.sha256}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (/ENOENT/.test(text)) return problem("missing", "there is no such file");
    return problem(/EACCES|EPERM|EIO/.test(text) ? "unreadable" : "wrong-hash", text);
  }
  return undefined;
}

/** Takes away what stands in a place, if anything does. Gives words for what was done. */
export async function clear(tree: TreeInspection, place: Place): Promise<string> {
  const to = await tree.quarantine(place);
  return to === undefined ? "" : `moved to ${to}, `;
}
