/**
 * Finds what is to be sent for a key: the page as it lies there, or a compressed copy of it. Small pages come from a
 * bounded memory. Each request asks the disk for the version of the page first (a stat), so that what
 * was just written is what the next one gets; only reading is spared.
 *
 * A wheel is not kept: the system's own cache has it, and one of them would drive out a thousand pages.
 */
import { type ContentCoding, type PublicFile, type PublicFiles, variantsOf } from "../storage.ts";

/** One form of a page, as it is sent. */
export interface Representation {
  /** With its quotes; another one in each coding (RFC 9110, 8.8.3.3). */
  readonly etag: string;
  readonly modifiedAt: Date;
  readonly lastModified: string;
  readonly sizeBytes: number;
  readonly coding: ContentCoding | undefined;
  /** A file is to be closed by whoever asked. */
  readonly body: Buffer | PublicFile;
}

type Kept = Representation & { readonly body: Buffer };

interface KeptPage {
  readonly version: string;
  sizeBytes: number;
  plain: Kept | undefined;
  /** By coding; a number is until when there is none, as far as is known. */
  readonly copies: Map<ContentCoding, Kept | number>;
}

/** What an entry takes beside its bodies. */
const ENTRY_BYTES = 1_024;
/** A page is not kept where it would take more than this part of the memory. */
const LARGEST_PART = 1 / 32;
/** Nor a larger one: readers that do not read hold what they were given, though it is kept no more. */
const LARGEST_BYTES = 256 * 1_024;
/** Copies of large pages are made a moment after the page: a missing one is looked for again. */
const ABSENCE_MS = 1_000;

export class Representations {
  readonly #files: PublicFiles;
  readonly #maxBytes: number;
  /** The one that was used last at the end. */
  readonly #pages = new Map<string, KeptPage>();
  readonly #loading = new Map<string, Promise<Representation | undefined>>();
  #bytes = 0;

  /** @param maxBytes of bodies and entries; beyond it those go that were not asked for longest */
  constructor(files: PublicFiles, maxBytes: number) {
    this.#files = files;
    this.#maxBytes = maxBytes;
  }

  get keptBytes(): number {
    return this.#bytes;
  }

  /**
   * Undefined where nothing is there.
   * @param taken the codings that the client takes, best first
   * @throws StorageError
   */
  async findPage(
    key: string,
    taken: readonly ContentCoding[],
  ): Promise<Representation | undefined> {
    const version = await this.#files.findVersion(key);
    const page = this.#pages.get(key);
    if (page !== undefined) {
      if (page.version === version) {
        this.#pages.delete(key);
        this.#pages.set(key, page);
        const kept = chooseKept(page, taken);
        if (kept !== undefined) return kept;
      } else this.#forget(key, page);
    }
    return version === undefined ? undefined : this.#loadOnce(key, version, taken);
  }

  /** As it is: for wheels and logs. */
  async findFile(key: string): Promise<Representation | undefined> {
    const file = await this.#files.open(key);
    return file === undefined ? undefined : representationOf(file, file, undefined);
  }

  /**
   * Many who ask at once for what is not kept wait for one reader. All of them have seen this version, so
   * what he opens is as new as any of them may expect.
   */
  async #loadOnce(
    key: string,
    version: string,
    taken: readonly ContentCoding[],
  ): Promise<Representation | undefined> {
    const name = `${key} ${version} ${taken.join()}`;
    const reader = this.#loading.get(name);
    if (reader !== undefined) {
      const found = await reader;
      // An open file is read by one only.
      return found === undefined || isKept(found) ? found : this.#load(key, taken);
    }
    const loading = this.#load(key, taken);
    this.#loading.set(name, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(name);
    }
  }

  async #load(key: string, taken: readonly ContentCoding[]): Promise<Representation | undefined> {
    const page = await this.#files.open(key);
    if (page === undefined) return undefined;
    const missing = new Map<ContentCoding, number>();
    let [chosen, coding]: [PublicFile, ContentCoding | undefined] = [page, undefined];
    try {
      const stored = variantsOf(key, page.sizeBytes).map(({ encoding }) => encoding);
      for (const each of taken) {
        const isStored = stored.includes(each);
        const copy = isStored ? await page.findCompressed(each) : undefined;
        if (copy !== undefined) {
          [chosen, coding] = [copy, each];
          await page.close();
          break;
        }
        missing.set(each, isStored ? performance.now() + ABSENCE_MS : Infinity);
      }
      const found = representationOf(chosen, page, coding);
      const isSmall = found.sizeBytes <= Math.min(LARGEST_BYTES, this.#maxBytes * LARGEST_PART);
      if (!isSmall) {
        this.#keep(key, page.version, undefined, missing);
        return found;
      }
      const body = Buffer.allocUnsafeSlow(found.sizeBytes);
      const sizeBytes = await chosen.readInto(body, 0);
      await chosen.close();
      const kept = { ...found, sizeBytes, body: body.subarray(0, sizeBytes) };
      this.#keep(key, page.version, kept, missing);
      return kept;
    } catch (error) {
      await page.close();
      await chosen.close();
      throw error;
    }
  }

  #keep(
    key: string,
    version: string,
    kept: Kept | undefined,
    missing: ReadonlyMap<ContentCoding, number>,
  ): void {
    let page = this.#pages.get(key);
    if (page !== undefined && page.version !== version) {
      this.#forget(key, page);
      page = undefined;
    }
    page ??= { version, sizeBytes: 0, plain: undefined, copies: new Map() };
    this.#forget(key, page);
    for (const [coding, untilAt] of missing) page.copies.set(coding, untilAt);
    if (kept?.coding !== undefined) page.copies.set(kept.coding, kept);
    else if (kept !== undefined) page.plain = kept;
    const bodies = [page.plain, ...page.copies.values()].map(bytesOf);
    page.sizeBytes = bodies.reduce((sum, bytes) => sum + bytes, ENTRY_BYTES + 2 * key.length);
    this.#pages.set(key, page);
    this.#bytes += page.sizeBytes;
    for (const [name, oldest] of this.#pages) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(name, oldest);
    }
  }

  #forget(key: string, page: KeptPage): void {
    if (this.#pages.get(key) !== page) return;
    this.#pages.delete(key);
    this.#bytes -= page.sizeBytes;
  }
}

/** Undefined where it has to be looked for on disk. */
function chooseKept(page: KeptPage, taken: readonly ContentCoding[]): Kept | undefined {
  for (const coding of taken) {
    const copy = page.copies.get(coding);
    if (typeof copy === "object") return copy;
    if (copy === undefined || copy < performance.now()) return undefined;
  }
  return page.plain;
}

const isKept = (found: Representation): found is Kept => Buffer.isBuffer(found.body);

const bytesOf = (kept: Kept | number | undefined): number =>
  typeof kept === "object" ? kept.body.length + ENTRY_BYTES : 0;

/** @param page whose contents the body has, perhaps compressed */
function representationOf(
  body: PublicFile,
  page: PublicFile,
  coding: ContentCoding | undefined,
): Representation {
  return {
    etag: coding === undefined ? `"${page.version}"` : `"${page.version}-${coding}"`,
    modifiedAt: page.modifiedAt,
    lastModified: page.modifiedAt.toUTCString(),
    sizeBytes: body.sizeBytes,
    coding,
    body,
  };
}
