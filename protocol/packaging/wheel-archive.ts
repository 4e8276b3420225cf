/**
 * The check that a wheel passes before it is published (PEP 427), and what the farm wants to know of it.
 * Called by whoever receives or imports wheels, in a worker thread: it hashes all contents. It writes
 * nothing and judges neither whether anyone asked for the wheel nor which targets it is for.
 */
import { createHash, type Hash } from "node:crypto";
import { basename } from "node:path";
import type { SeenEntry } from "./arriving-zip.ts";
import { canonicalName } from "./canonical-name.ts";
import { type CoreMetadata, MAX_METADATA_BYTES, MetadataError, parseMetadata } from "./metadata.ts";
import { type HashAlgorithm, parseRecord, type RecordRow } from "./record.ts";
import type { Tag } from "./tags.ts";
import { compareVersions } from "./version.ts";
import { WheelError } from "./wheel-error.ts";
import { parseWheelFile } from "./wheel-file.ts";
import { parseWheelFilename, type WheelFilename } from "./wheel-filename.ts";
import { openZip, type ZipArchive } from "./zip-archive.ts";
import type { ZipEntry } from "./zip-directory.ts";

export { WheelError, type WheelErrorCode } from "./wheel-error.ts";

export interface WheelCheckOptions {
  /** The wheel's name where the file lies under another; default the last part of the path. */
  readonly filename?: string;
  /** Default 50,000. */
  readonly maxEntries?: number;
  /** All entries together; default 4 GiB. */
  readonly maxUnpackedBytes?: number;
  /**
   * What was read of this very file as it arrived. An entry of the directory that is one of these, to the last figure, is not
   * unpacked again; any other is.
   */
  readonly seen?: readonly SeenEntry[];
  /** False leaves contents unread but for the dist-info files; RECORD is then compared by names and sizes alone. Default true. */
  readonly verifyHashes?: boolean;
  /** Calls the check off between two pieces: WheelError `aborted`. */
  readonly signal?: AbortSignal;
}

export interface WheelFacts {
  readonly filename: WheelFilename;
  readonly metadata: CoreMetadata;
  /** METADATA byte for byte, for the index's metadata file (PEP 658). */
  readonly metadataText: Buffer;
  /** Lower-case hexadecimal. */
  readonly metadataSha256: string;
  readonly requiresPython: string | null;
  readonly requiresDist: readonly string[];
  readonly tags: readonly Tag[];
  /** Entries that a dynamic linker loads: `.so`, `.so.1`, `.pyd`, `.dylib`. */
  readonly sharedObjects: number;
  /** Other entries that begin as ELF, Mach-O and PE files do; 0 where contents are left unread. */
  readonly programs: number;
  readonly unpackedSizeBytes: number;
  readonly entries: number;
}

const MAX_WHEEL_FILE_BYTES = 256 * 1024;
const MAX_RECORD_BYTES = 32 * 1024 * 1024;
const MAX_DIRECTORY_BYTES = 32 * 1024 * 1024;

/**
 * Checks a wheel and says what is in it.
 * @throws WheelError, and nothing else, with a code and a message for whoever made the wheel.
 */
export async function inspectWheel(
  path: string,
  options: WheelCheckOptions = {},
): Promise<WheelFacts> {
  const filename = parseWheelFilename(options.filename ?? basename(path));
  if (filename === undefined) {
    throw new WheelError(
      "bad-filename",
      `${JSON.stringify(options.filename ?? basename(path))} is no wheel file name: it must be name-version(-build)-python-abi-platform.whl`,
    );
  }
  const maxEntries = options.maxEntries ?? 50_000;
  const zip = await openZip(path, {
    maxEntries,
    maxUnpackedBytes: options.maxUnpackedBytes ?? 4 * 1024 ** 3,
    maxDirectoryBytes: MAX_DIRECTORY_BYTES,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  try {
    const folder = findDistInfo(zip.entries, filename);
    const metadataText = await readFile(zip, `${folder}METADATA`, MAX_METADATA_BYTES);
    const metadata = readMetadata(metadataText, filename);
    const wheelFile = parseWheelFile(await readFile(zip, `${folder}WHEEL`, MAX_WHEEL_FILE_BYTES));
    checkTags(wheelFile.tags, filename);
    const recordText = await readFile(zip, `${folder}RECORD`, MAX_RECORD_BYTES);
    const record = parseRecord(recordText.toString("utf8"), 2 * maxEntries);
    const seen = new Map((options.seen ?? []).map((entry) => [entry.dataOffset, entry]));
    const programs = await checkRecord(zip, record, folder, seen, options.verifyHashes ?? true);
    return {
      filename,
      metadata,
      metadataText,
      metadataSha256: createHash("sha256").update(metadataText).digest("hex"),
      requiresPython: metadata.requiresPython,
      requiresDist: metadata.requiresDist,
      tags: filename.tags,
      sharedObjects: zip.entries.filter((entry) => isSharedObject(entry.name)).length,
      programs,
      unpackedSizeBytes: zip.entries.reduce((sum, entry) => sum + entry.sizeBytes, 0),
      entries: zip.entries.length,
    };
  } catch (cause) {
    if (cause instanceof WheelError) throw cause;
    throw new WheelError("unreadable", `the check itself failed: ${String(cause)}`, { cause });
  } finally {
    await zip.close().catch(() => undefined);
  }
}

const isSharedObject = (name: string) => /\.(?:so(?:\.\d+)*|pyd|dylib)$/.test(name);

/** The one top-level `name-version.dist-info/`; folders of vendored projects lie deeper and are nobody's concern. */
function findDistInfo(entries: readonly ZipEntry[], filename: WheelFilename): string {
  const folders = new Set<string>();
  for (const { name } of entries) {
    const top = /^[^/]*\.dist-info(?=\/)/.exec(name)?.[0];
    if (top !== undefined) folders.add(top);
  }
  const [folder, another] = folders;
  if (folder === undefined || another !== undefined) {
    throw new WheelError(
      "bad-dist-info",
      `a wheel has one .dist-info folder; this one has ${folder === undefined ? "none" : `${folders.size}`}`,
    );
  }
  const stem = folder.slice(0, -".dist-info".length);
  const dash = stem.lastIndexOf("-");
  const [name, version] = [stem.slice(0, Math.max(dash, 0)), stem.slice(dash + 1)];
  if (canonicalName(name) !== filename.name) {
    throw new WheelError(
      "name-mismatch",
      `folder ${folder} is not that of ${filename.nameAsWritten}`,
    );
  }
  if (compareVersions(version, filename.version) !== 0) {
    throw new WheelError(
      "version-mismatch",
      `folder ${folder} is not that of version ${filename.version}`,
    );
  }
  return `${folder}/`;
}

async function readFile(zip: ZipArchive, name: string, maxBytes: number): Promise<Buffer> {
  const entry = zip.entries.find((each) => each.name === name);
  if (entry === undefined)
    throw new WheelError("bad-dist-info", `there is no ${name} in the wheel`);
  if (entry.sizeBytes > maxBytes) {
    throw new WheelError("too-large", `${name} is larger than ${maxBytes} bytes`);
  }
  const pieces: Buffer[] = [];
  await zip.unpack(entry, (piece) => {
    pieces.push(Buffer.from(piece));
  });
  return Buffer.concat(pieces);
}

function readMetadata(text: Buffer, filename: WheelFilename): CoreMetadata {
  let metadata: CoreMetadata;
  try {
    metadata = parseMetadata(text);
  } catch (cause) {
    if (!(cause instanceof MetadataError)) throw cause;
    throw new WheelError("bad-metadata", `METADATA cannot be used: ${cause.message}`, { cause });
  }
  if (metadata.name !== filename.name) {
    throw new WheelError(
      "name-mismatch",
      `METADATA names ${metadata.nameAsWritten}, the file name ${filename.nameAsWritten}`,
    );
  }
  if (compareVersions(metadata.version, filename.version) !== 0) {
    throw new WheelError(
      "version-mismatch",
      `METADATA names version ${metadata.version}, the file name ${filename.version}`,
    );
  }
  return metadata;
}

function checkTags(declared: ReadonlySet<Tag>, filename: WheelFilename): void {
  const odd =
    filename.tags.find((tag) => !declared.has(tag)) ??
    [...declared].find((tag) => !filename.tags.includes(tag));
  if (odd === undefined) return;
  throw new WheelError(
    "tag-mismatch",
    `WHEEL and the file name ${filename.filename} disagree about the tag ${odd}`,
  );
}

/** First bytes of machine code: ELF, the Mach-O forms of either byte order, PE. */
const machineCode = /^(?:7f454c46|feedfac[ef]|c[ef]faedfe|cafebabe|4d5a)/;

/**
 * RECORD lists every file with its hash but itself and its signatures, and nothing else.
 * @returns how many entries that are no shared objects by their names hold machine code
 */
async function checkRecord(
  zip: ZipArchive,
  record: ReadonlyMap<string, RecordRow>,
  folder: string,
  seen: ReadonlyMap<number, SeenEntry>,
  verifiesHashes: boolean,
): Promise<number> {
  let programs = 0;
  const unhashed = new Set(["RECORD", "RECORD.jws", "RECORD.p7s"].map((name) => folder + name));
  const files = zip.entries.filter((entry) => !entry.isFolder);
  const names = new Set(files.map((entry) => entry.name));
  for (const path of record.keys()) {
    if (!names.has(path) && !unhashed.has(path)) {
      throw disagreement(`it lists ${quote(path)}, which is not in the wheel`);
    }
  }
  for (const entry of files) {
    if (unhashed.has(entry.name)) continue;
    const row = record.get(entry.name);
    if (row === undefined) throw disagreement(`it does not list ${quote(entry.name)}`);
    if (row.hash === null) throw disagreement(`it has no hash of ${quote(entry.name)}`);
    if (row.sizeBytes !== null && row.sizeBytes !== entry.sizeBytes) {
      throw disagreement(`it has another size of ${quote(entry.name)}`);
    }
    if (!verifiesHashes) continue;
    const { start, digest } =
      findSeen(seen, entry, row.hash.algorithm) ??
      (await readContents(zip, entry, row.hash.algorithm));
    if (!isSharedObject(entry.name) && machineCode.test(start)) programs += 1;
    if (!digest.equals(row.hash.digest)) {
      throw disagreement(`it has another hash of ${quote(entry.name)}`);
    }
  }
  return programs;
}

interface Contents {
  /** The first bytes, in hexadecimal. */
  readonly start: string;
  readonly digest: Buffer;
}

/** Only where the directory says of it what its local header did, which was checked as it was read. */
function findSeen(
  seen: ReadonlyMap<number, SeenEntry>,
  entry: ZipEntry,
  algorithm: HashAlgorithm,
): Contents | undefined {
  const known = seen.get(entry.dataOffset);
  const isSame =
    known !== undefined &&
    algorithm === "sha256" &&
    known.sizeBytes === entry.sizeBytes &&
    known.compressedSizeBytes === entry.compressedSizeBytes &&
    known.isDeflated === entry.isDeflated &&
    known.crc32 === entry.crc32;
  return isSame ? { start: known.start, digest: Buffer.from(known.sha256, "hex") } : undefined;
}

async function readContents(
  zip: ZipArchive,
  entry: ZipEntry,
  algorithm: HashAlgorithm,
): Promise<Contents> {
  const hash: Hash = createHash(algorithm);
  let start = "";
  await zip.unpack(entry, (piece) => {
    if (start === "") start = piece.toString("hex", 0, 4);
    hash.update(piece);
  });
  return { start, digest: hash.digest() };
}

const disagreement = (what: string) =>
  new WheelError("record-mismatch", `RECORD and the wheel disagree: ${what}; build it again`);

const quote = (name: string) => JSON.stringify(name.slice(0, 200));
