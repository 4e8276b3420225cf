/** What may be wrong with one file whose contents the database knows: by its kind, its size, its hash. */
import type { Place, TreeInspection } from "../../web/storage.ts";
import type { Audit, Problem } from "./examination.ts";

/** What the unpacking says of bytes that are no gzip, or cut off. That it lacks memory says nothing of them. */
const NO_GZIP = ["Z_DATA_ERROR", "Z_BUF_ERROR", "Z_NEED_DICT"];
const NOT_THERE = ["ENOENT", "ENOTDIR"];

interface Known {
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
    const sha256 = await tree.hash(place, known.isCompressed === true ? "gzip" : undefined);
    if (sha256 !== known.sha256)
      return problem("wrong-hash", `its SHA-256 is ${sha256} instead of ${known.sha256}`);
  } catch (error) {
    // Only what is known of its bytes makes it wrong: too many open files, or a server of files that does not
    // answer, would else cost a good wheel its name.
    const code = causeCode(error);
    if (NOT_THERE.includes(code)) return problem("missing", "there is no such file");
    const text = error instanceof Error ? error.message : String(error);
    return problem(NO_GZIP.includes(code) ? "wrong-hash" : "unreadable", text);
  }
  return undefined;
}

/**
 * Whether it is as it should be, its contents too. Asked before anything is moved or given up for it.
 * @throws Error where it cannot be read: then nobody knows
 */
export async function isGood(tree: TreeInspection, place: string, known: Known): Promise<boolean> {
  const problem = await problemOf(tree, place, known, true);
  if (problem?.kind === "unreadable") throw new Error(`${place} cannot be read: ${problem.detail}`);
  return problem === undefined;
}

/** Takes away what stands in a place, if anything does, while the audit may. Gives words for what was done. */
export async function clear({ tree, signal }: Audit, place: Place): Promise<string> {
  signal.throwIfAborted();
  const to = await tree.quarantine(place);
  return to === undefined ? "" : `moved to ${to}, `;
}

/** The system's or zlib's code for what the storage puts in its own words. */
function causeCode(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}
