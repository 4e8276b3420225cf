/**
 * The list of a zip's entries, taken only where every reader would understand the archive alike: local
 * and central headers agree, entries neither overlap nor repeat, nothing stands before the first entry or
 * between the directory and its end record. Called by the zip reader.
 */
import { type Entry, fromRandomAccessReaderPromise } from "yauzl";
import { type FileReader, ZipSource } from "./file-reader.ts";
import { WheelError } from "./wheel-error.ts";
import { checkEntryNames, decodeEntryName } from "./zip-entry-name.ts";

export interface ZipLimits {
  readonly maxEntries: number;
  /** Of all entries together, as declared. */
  readonly maxUnpackedBytes: number;
  /** Of names, extra fields and comments together: what the check keeps in memory. */
  readonly maxDirectoryBytes: number;
  readonly signal?: AbortSignal;
}

export interface ZipEntry {
  /** Relative, parts joined by `/`; a folder's ends with one. */
  readonly name: string;
  readonly isFolder: boolean;
  /** As declared; unpacking checks it. */
  readonly sizeBytes: number;
  readonly compressedSizeBytes: number;
  readonly isDeflated: boolean;
  readonly crc32: number;
  readonly dataOffset: number;
}

const ENTRY_HEADER_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const END_BYTES = 22;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_BYTES = 56;

const FLAG_ENCRYPTED = 0x1;
const FLAG_DESCRIPTOR = 0x8;

/** @throws WheelError, or another error where the zip's structure is broken. */
export async function readZipDirectory(
  reader: FileReader,
  fileSize: number,
  limits: ZipLimits,
): Promise<ZipEntry[]> {
  const { listed, commentBytes, directoryBytes } = await list(reader, fileSize, limits);
  const directoryOffset = await checkEnd(
    reader,
    fileSize - END_BYTES - commentBytes,
    directoryBytes,
  );
  // By place, so that an overlap is a neighbour's.
  listed.sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  const entries: ZipEntry[] = [];
  let end = 0;
  for (const entry of listed) {
    throwIfAborted(limits.signal);
    const name = decodeEntryName(entry);
    checkKind(entry, name);
    const start = entry.relativeOffsetOfLocalHeader;
    if (entries.length === 0 ? start !== 0 : start < end) {
      throw contradiction(`entry ${quote(name)} overlaps another or is not where it should be`);
    }
    const dataOffset = await checkLocalHeader(reader, entry, name);
    end = dataOffset + entry.compressedSize;
    if (end > directoryOffset)
      throw contradiction(`entry ${quote(name)} reaches into the directory`);
    entries.push({
      name,
      isFolder: name.endsWith("/"),
      sizeBytes: entry.uncompressedSize,
      compressedSizeBytes: entry.compressedSize,
      isDeflated: entry.compressionMethod === 8,
      crc32: entry.crc32,
      dataOffset,
    });
  }
  checkEntryNames(entries.map((entry) => entry.name));
  return entries;
}

async function list(reader: FileReader, fileSize: number, limits: ZipLimits) {
  const source = new ZipSource(reader);
  const opened = fromRandomAccessReaderPromise(source, fileSize, {
    autoClose: false,
    decodeStrings: false,
    validateEntrySizes: true,
  });
  const zip = await Promise.race([source.fault, opened]);
  // The iteration takes its own errors; this one would come after its end, when nobody else listens.
  zip.on("error", () => undefined);
  if (zip.entryCount > limits.maxEntries) {
    throw new WheelError(
      "too-many-entries",
      `it has ${zip.entryCount} entries, and at most ${limits.maxEntries} are taken; put fewer files into the wheel`,
    );
  }
  const listed: Entry[] = [];
  let variableBytes = 0;
  let unpackedBytes = 0;
  const iterator = zip.eachEntry();
  for (;;) {
    const next = await Promise.race([source.fault, iterator.next()]);
    if (next.done === true) break;
    throwIfAborted(limits.signal);
    const entry = next.value;
    variableBytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (variableBytes > limits.maxDirectoryBytes) {
      throw new WheelError(
        "too-large",
        `its directory is larger than ${limits.maxDirectoryBytes} bytes; put fewer files into the wheel`,
      );
    }
    unpackedBytes += entry.uncompressedSize;
    if (unpackedBytes > limits.maxUnpackedBytes) {
      throw new WheelError(
        "too-large",
        `unpacked it is larger than ${limits.maxUnpackedBytes} bytes; raise the farm's limit or put less into the wheel`,
      );
    }
    listed.push(entry);
  }
  return {
    listed,
    commentBytes: zip.comment.length,
    directoryBytes: variableBytes + ENTRY_HEADER_BYTES * listed.length,
  };
}

/** The end record must name the directory that was read, and follow it at once. Returns where that begins. */
async function checkEnd(reader: FileReader, endOffset: number, directoryBytes: number) {
  const record = await reader.read(endOffset, END_BYTES);
  let size = record.readUInt32LE(12);
  let offset = record.readUInt32LE(16);
  let next = endOffset;
  const locatorOffset = endOffset - ZIP64_LOCATOR_BYTES;
  const locator =
    locatorOffset < 0 ? undefined : await reader.read(locatorOffset, ZIP64_LOCATOR_BYTES);
  if (locator?.readUInt32LE(0) === 0x07064b50) {
    next = Number(locator.readBigUInt64LE(8));
    const zip64 = await reader.read(next, ZIP64_END_BYTES);
    if (next + ZIP64_END_BYTES !== locatorOffset)
      throw contradiction("its end record is misplaced");
    size = Number(zip64.readBigUInt64LE(40));
    offset = Number(zip64.readBigUInt64LE(48));
  }
  if (size !== directoryBytes || offset + size !== next) {
    throw contradiction("its directory is not what the end record says");
  }
  return offset;
}

function checkKind(entry: Entry, name: string): void {
  if ((entry.generalPurposeBitFlag & FLAG_ENCRYPTED) !== 0) {
    throw new WheelError("unsupported-entry", `entry ${quote(name)} is encrypted`);
  }
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    throw new WheelError(
      "unsupported-entry",
      `entry ${quote(name)} uses compression ${entry.compressionMethod}; only stored and deflated are taken`,
    );
  }
  // The upper half holds the Unix mode where the archive was made on such a system, and is 0 elsewhere.
  const kind = (entry.externalFileAttributes >>> 16) & 0o170000;
  if (kind !== 0 && kind !== 0o100000 && kind !== 0o040000) {
    throw new WheelError("unsupported-entry", `entry ${quote(name)} is a link or a special file`);
  }
  if (name.endsWith("/") && entry.uncompressedSize !== 0) {
    throw new WheelError("bad-entry-name", `folder ${quote(name)} has contents of its own`);
  }
}

/** Returns where the data begins. */
async function checkLocalHeader(reader: FileReader, entry: Entry, name: string): Promise<number> {
  const start = entry.relativeOffsetOfLocalHeader;
  const header = await reader.read(start, LOCAL_HEADER_BYTES + entry.fileNameLength);
  const flags = header.readUInt16LE(6);
  const agrees = (value: number, declared: number) =>
    value === declared || value === 0xffffffff || (flags & FLAG_DESCRIPTOR) !== 0;
  if (
    header.readUInt32LE(0) !== 0x04034b50 ||
    (flags & FLAG_ENCRYPTED) !== 0 ||
    header.readUInt16LE(8) !== entry.compressionMethod ||
    header.readUInt16LE(26) !== entry.fileNameLength ||
    !header.subarray(LOCAL_HEADER_BYTES).equals(entry.fileNameRaw) ||
    !agrees(header.readUInt32LE(14), entry.crc32) ||
    !agrees(header.readUInt32LE(18), entry.compressedSize) ||
    !agrees(header.readUInt32LE(22), entry.uncompressedSize)
  ) {
    throw contradiction(`entry ${quote(name)} is described in two ways`);
  }
  return start + LOCAL_HEADER_BYTES + entry.fileNameLength + header.readUInt16LE(28);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WheelError("aborted", "the check was called off");
}

const contradiction = (what: string) =>
  new WheelError("bad-zip", `the zip contradicts itself: ${what}; build it again`);

const quote = (name: string) => JSON.stringify(name.slice(0, 200));
