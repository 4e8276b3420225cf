/**
 * Source distribution file names: PEP 625 and the spellings from before it. Called to tell which release
 * a file upstream belongs to, and which of several sdists of a release to build. A legacy name can be
 * read only by someone who knows the project (`foo-1-2.zip` is `foo` 1.post2 or `foo-1` 2).
 */
import { canonicalName, isValidName } from "./canonical-name.ts";
import { canonicalVersion } from "./version.ts";

export interface SdistFilename {
  readonly filename: string;
  /** Canonical. */
  readonly name: string;
  /** Normal form (PEP 440). */
  readonly version: string;
  readonly versionAsWritten: string;
  /** With its dot: `.tar.gz`. */
  readonly extension: string;
}

/** Archives that pip unpacks, best first: what the standard asks for, what it asked for once, the rest. */
const extensions = [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar"];

const MAX_FILENAME_LENGTH = 255;

/** Undefined where it is no sdist of that project: another name, no version, a built distribution's suffix. */
export function parseSdistFilename(
  filename: string,
  projectName: string,
): SdistFilename | undefined {
  const extension = extensions.find((each) => filename.endsWith(each));
  if (extension === undefined || filename.length > MAX_FILENAME_LENGTH) return undefined;
  const stem = filename.slice(0, -extension.length);
  const name = canonicalName(projectName);
  for (let dash = stem.indexOf("-"); dash !== -1; dash = stem.indexOf("-", dash + 1)) {
    const prefix = stem.slice(0, dash);
    if (!isValidName(prefix) || canonicalName(prefix) !== name) continue;
    const versionAsWritten = stem.slice(dash + 1);
    const version = canonicalVersion(versionAsWritten);
    if (version !== undefined && versionAsWritten === versionAsWritten.trim())
      return { filename, name, version, versionAsWritten, extension };
  }
  return undefined;
}

/** The sdist of a release to build: `.tar.gz`, then `.zip`, then the others; among equals the first. */
export function preferredSdist<File extends { readonly filename: string }>(
  files: readonly File[],
): File | undefined {
  let best: { file: File; rank: number } | undefined;
  for (const file of files) {
    const rank = extensions.findIndex((each) => file.filename.endsWith(each));
    if (rank !== -1 && (best === undefined || rank < best.rank)) best = { file, rank };
  }
  return best?.file;
}
