/**
 * Source distributions: packing a plain source tree into `.tar.gz`, and reading PKG-INFO back out of one.
 * Called by the sample projects at start, by `folder.ts`, and by tests that write sdists of their own.
 * It checks nothing: what is packed may be as broken as a test wants it.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { findInTar, packTar, type SourceEntry } from "./tar-archive.ts";

/** 2024-01-01: zip archives cannot say anything before 1980, and a date in the future surprises. */
const MODIFIED_AT = 1_704_067_200;

/** An sdist that unpacks to more than this is not looked into. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;

/**
 * A `.tar.gz` with everything under `stem/` (`name-version`, as PEP 625 asks). Packed twice it is the same
 * byte for byte: sorted, one fixed time, uid 0. Beyond a folder, `extra` entries are added or replace its own.
 */
export function packSdist(
  source: string | readonly SourceEntry[],
  stem: string,
  extra: readonly SourceEntry[] = [],
): Buffer {
  const entries = typeof source === "string" ? readSourceTree(source) : source;
  const replaced = new Set(extra.map((entry) => entry.path));
  const all = [...entries.filter((entry) => !replaced.has(entry.path)), ...extra];
  const tar = packTar(
    all.map((entry) => ({ ...entry, path: `${stem}/${entry.path}` })),
    MODIFIED_AT,
  );
  const packed = gzipSync(tar, { level: 9 });
  // The header names the operating system that packed it; "unknown" is the same everywhere (RFC 1952).
  packed[9] = 255;
  return packed;
}

/** PKG-INFO at the top of a `.tar.gz`; undefined for another kind of archive or where there is none. */
export function findPkgInfo(sdist: Buffer): string | undefined {
  try {
    const tar = gunzipSync(sdist, { maxOutputLength: MAX_UNPACKED_BYTES });
    return findInTar(tar, (path) => /^(\.\/)?[^/]+\/PKG-INFO$/.test(path))?.toString("utf8");
  } catch {
    return undefined;
  }
}

/** All plain files below a folder, without what Python and editors leave behind. */
function readSourceTree(folder: string): SourceEntry[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/__pycache__|\.pyc$|~$/.test(path))
    .map((path) => ({
      path: path.slice(folder.length).replaceAll("\\", "/").replace(/^\/+/, ""),
      data: readFileSync(path),
      executable: (statSync(path).mode & 0o100) !== 0,
    }));
}
