/**
 * Where wheels, logs and pages lie: the contract. File Juggler receives and places files through
 * it, the Scribe writes pages, the HTTP server reads. A local folder implements it
 * (`openLocalStorage`); an object store can. It knows bytes, names and hashes, not what they mean.
 *
 * A file's way: staging (`openStaged`, `append`) -> blob (`commitBlob`, `putBlob`) -> public name
 * (`publishOnce`). Each step may be repeated after a crash, to the same end.
 */
import type { Readable } from "node:stream";
import type { DiskRoom } from "../../protocol/model/host.ts";
import type { Variant } from "./variants.ts";

/**
 * - `full`: no room; try again when there is some.
 * - `exists`: another content stands under this public name, for ever.
 * - `mismatch`: the bytes are not those of the hash.
 * - `missing`: there is no such staged file or blob.
 * - `bad-name`: a key, file name, token or hash that may not name anything; nothing was touched.
 * - `failed`: the disk refused otherwise (rights, another file system, input/output error); see `cause`.
 */
export type StorageErrorCode = "full" | "exists" | "mismatch" | "missing" | "bad-name" | "failed";

export class StorageError extends Error {
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "StorageError";
    this.code = code;
  }
}

/** A staged file that is open for more. One at a time per file; close it in any case. */
export interface StagedFile {
  /** What has arrived: the offset of the next append. */
  readonly lengthBytes: number;
  /**
   * Adds bytes at the end. Calls must not overlap. A failed append leaves the length as it was.
   * @throws StorageError `full`, `failed`
   */
  append(bytes: Uint8Array): Promise<void>;
  /** SHA-256 of what has arrived, computed as it came. */
  sha256(): string;
  /** Puts on disk what has arrived; the commit then has little left to do. May run beside readers of the file. */
  sync(): Promise<void>;
  /** Throws away what has arrived, e.g. since its hash is wrong. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export interface StagedBuild {
  readonly token: number;
  /** Since the last byte arrived in any of its files. */
  readonly idleMs: number;
  readonly sizeBytes: number;
}

/** Bytes from `start` to `end`, both included, as HTTP counts them. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A public file that is open: a reader keeps the bytes it opened, also when the name is replaced
 * meanwhile. Either `read` it, which closes it at the end, or `close` it.
 */
export interface PublicFile {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** Differs whenever the contents do; a strong validator without its quotes. */
  readonly version: string;
  read(range?: ByteRange): Readable;
  /** Fills a buffer from a position on; less only at the end of the file. Returns how much. */
  readInto(buffer: Uint8Array, positionBytes: number): Promise<number>;
  /** Its compressed copy, open as well; undefined where there is none, or one of other contents. */
  findCompressed(coding: ContentCoding): Promise<PublicFile | undefined>;
  /** Repeatable. */
  close(): Promise<void>;
}

export interface PublicPage {
  readonly key: string;
  readonly contents: Uint8Array | string;
}

/** A page that is never whole in memory. Its chunks are read once, at the pace of the disk. */
export interface StreamedPage {
  readonly key: string;
  readonly chunks: AsyncIterable<Uint8Array | string>;
  /** Its compressed copies, where they are at hand; what is missing is made from the page. Read only where they are needed. */
  readonly copies?: Partial<Readonly<Record<Variant["encoding"], AsyncIterable<Uint8Array>>>>;
}
/** How a copy beside a page is compressed, in HTTP's words. */
export type ContentCoding = "gzip" | "br";

/** Bytes of a joined page: these, or those of a part from `start` up to `end`. */
export type PageStretch =
  | Uint8Array
  | { readonly part: string; readonly start: number; readonly end: number };

/** A page as stretches, and as other stretches that are the same page compressed. */
export interface JoinedPage {
  readonly key: string;
  readonly contents: readonly PageStretch[];
  readonly gzip: readonly PageStretch[];
}

export interface PagePart {
  readonly name: string;
  readonly contents: Uint8Array;
}

/** The reading side: all that a web server needs. */
export interface PublicFiles {
  /** Undefined when there is no such file, or the key may not name one. */
  open(key: string): Promise<PublicFile | undefined>;
  /** The version of what stands there now, without opening it: whether what a cache holds is still true. */
  findVersion(key: string): Promise<string | undefined>;
}

export interface Storage extends PublicFiles {
  /**
   * Opens a staged file to add to it, creating it when it is new. What an earlier run left is kept
   * (and read once, for the hash): `lengthBytes` says where to go on.
   */
  openStaged(token: number, filename: string): Promise<StagedFile>;
  /** 0 when nothing has arrived. */
  stagedLength(token: number, filename: string): Promise<number>;
  /** Where a staged file lies, for checks that need a path (zip, hashing in a worker). */
  stagedPath(token: number, filename: string): string;
  /** Makes the staged files of a build go away. Repeatable. */
  clearStaging(token: number): Promise<void>;
  listStaging(): Promise<readonly StagedBuild[]>;

  /**
   * Turns a staged file into the blob of this hash: synced to disk, then renamed, then the folders
   * synced. The hash is checked: that which ran along where the file is still open, else the file is read. Repeatable: where the blob stands, the staged file just goes.
   * @throws StorageError `mismatch` (the staged file stays), `missing`, `full`
   */
  commitBlob(token: number, filename: string, sha256: string): Promise<void>;
  /** Stores bytes as a blob and returns their SHA-256. For small things: metadata, generated files. */
  putBlob(bytes: Uint8Array): Promise<string>;
  /** Undefined where no such blob stands. */
  blobLength(sha256: string): Promise<number | undefined>;
  /** Whether the blob stands; if so, its grace before a sweep begins anew. */
  touchBlob(sha256: string): Promise<boolean>;
  /** Where a blob lies. It may be read, never written: its public name is the same file. */
  blobPath(sha256: string): string;
  /**
   * Removes blobs that nothing refers to. Only those untouched for `graceMs` are asked about, so
   * that a blob whose transaction is still to come stays; and none that is public under a name, which
   * takes no room of its own.
   * @param findReferenced which of these hashes are referred to; called with up to 1,000 at a time
   * @returns how many went
   */
  sweepBlobs(
    findReferenced: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
    graceMs: number,
  ): Promise<number>;

  /**
   * Gives a blob its public name, for ever. The same content again is fine.
   * @throws StorageError `exists` when other content has the name, `missing` without the blob
   */
  publishOnce(key: string, sha256: string): Promise<void>;
  /** Writes a blob gzip-compressed under a public name: logs. Replaces what stood there. */
  publishCompressed(key: string, sha256: string): Promise<void>;
  /**
   * Writes a page and its compressed copies (`variants.ts`): readers see the old or the new one, whole, also
   * after a crash. One that stands already is left alone. Returns whether it was written.
   */
  replace(key: string, contents: Uint8Array | string): Promise<boolean>;
  /**
   * The same for several, at a much lower cost than one by one. They appear in the order given, each whole.
   * Where one fails none, some or all of the others are written; it may be repeated. Returns how many were written.
   */
  replaceAll(pages: readonly PublicPage[]): Promise<number>;
  /** When no page is being put in its place any more: also what its asker gave up. */
  pagesSettled(): Promise<void>;
  /** Like `replace`, for large lists. What its chunks throw is thrown, and nothing was written. */
  replaceStream(page: StreamedPage): Promise<boolean>;
  /** Takes a public name away with its compressed copies, and folders that it leaves empty. Repeatable. */
  remove(key: string): Promise<void>;

  /**
   * Keeps parts of pages, where readers do not see them: what is joined from parts need not be made anew as
   * a whole when one of them changes. Each whole or not at all, also after a crash, and all on disk when this is
   * done. Names are lower-case words.
   */
  writeParts(parts: readonly PagePart[]): Promise<void>;
  /** Undefined where there is none. */
  readPart(name: string): Promise<Buffer | undefined>;
  listParts(): Promise<readonly string[]>;
  /** Repeatable. */
  removePart(name: string): Promise<void>;
  /**
   * Writes pages by copying stretches one after the other, and their copies; all are complete before the first
   * appears.
   * @throws StorageError `missing` for a part that is gone or too short; nothing is changed then
   */
  join(pages: readonly JoinedPage[]): Promise<void>;

  /** The room of its disk, for an ordinary user. */
  room(): Promise<DiskRoom>;
}
