/**
 * Parts of pages, and pages joined from them: a page of many megabytes that changes in one place is put
 * together from what lies on disk. Parts lie in `.store/parts/`, out of readers' sight. Reached through the
 * storage contract.
 */
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type JoinedPage, type PageStretch, StorageError } from "./contract.ts";
import { namesIn, syncFolder, systemCode, writeAt, writeNewFile } from "./disk.ts";
import type { PublicWriter } from "./public-writer.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

const namePattern = /^[a-z][a-z0-9-]{0,99}$/;
/** What a join holds: so much of its parts is read before it is written. */
const MEMORY_BYTES = 4 * 1024 * 1024;
/** Shorter pages gain nothing by being compressed. */
const WORTH_COMPRESSING_BYTES = 1_400;

export class PartFolder {
  readonly #folder: string;
  readonly #temporary: TemporaryFolder;
  readonly #writer: PublicWriter;

  constructor(folder: string, temporary: TemporaryFolder, writer: PublicWriter) {
    this.#folder = folder;
    this.#temporary = temporary;
    this.#writer = writer;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  async write(name: string, contents: Uint8Array): Promise<void> {
    const place = this.#placeOf(name);
    await this.#temporary.withName(async (path) => {
      await writeNewFile(path, contents);
      await rename(path, place);
      await syncFolder(this.#folder);
    });
  }

  async read(name: string): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#placeOf(name));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  list(): Promise<string[]> {
    return namesIn(this.#folder);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#placeOf(name), { force: true });
  }

  /** All are written before the first is put into its place. */
  async join(pages: readonly JoinedPage[]): Promise<void> {
    const outputs = pages.flatMap(({ key, contents, gzip }) => {
      const isWorthIt = lengthOf(contents) >= WORTH_COMPRESSING_BYTES;
      const page = { key, stretches: contents };
      return isWorthIt ? [page, { key: `${key}.gz`, stretches: gzip }] : [page];
    });
    // A page and its variant are known to belong together by the time.
    const now = new Date();
    await this.#withNames(outputs.length, async (paths) => {
      const files: OpenFile[] = [];
      try {
        for (const path of paths) files.push(new OpenFile(await open(path, "wx", 0o644)));
        await this.#fill(files, outputs);
        for (const file of files) await file.finish(now);
      } finally {
        for (const file of files) await file.close();
      }
      const keys = outputs.map((output) => output.key);
      for (const [at, key] of keys.entries()) await this.#writer.adopt(key, paths[at] ?? "");
      // Other variants are of what the page was.
      for (const { key } of pages)
        for (const variant of [`${key}.gz`, `${key}.br`])
          if (!keys.includes(variant)) await this.#writer.remove(variant);
    });
  }

  /**
   * Side by side, so that a part that several want at the same place is read once; and through one piece of
   * memory, since what is taken anew for each part has to be collected again.
   */
  async #fill(
    files: readonly OpenFile[],
    outputs: readonly { readonly stretches: readonly PageStretch[] }[],
  ): Promise<void> {
    const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
    let used = 0;
    const length = Math.max(...outputs.map(({ stretches }) => stretches.length));
    for (let at = 0; at < length; at += 1) {
      const now = outputs.map(({ stretches }) => stretches[at]);
      const read = new Map<string, Buffer>();
      for (const [part, bytes] of bytesWanted(now)) {
        if (used + bytes > memory.length) {
          for (const file of files) await file.flush();
          used = 0;
        }
        const into =
          bytes > memory.length ? Buffer.allocUnsafe(bytes) : memory.subarray(used, used + bytes);
        used += bytes > memory.length ? 0 : bytes;
        await this.#readInto(part, into);
        read.set(part, into);
      }
      for (const [which, stretch] of now.entries())
        if (stretch instanceof Uint8Array) files[which]?.add(stretch);
        else if (stretch !== undefined)
          files[which]?.add(
            (read.get(stretch.part) ?? memory).subarray(stretch.start, stretch.end),
          );
    }
  }

  /** Its first bytes. */
  async #readInto(part: string, into: Buffer): Promise<void> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#placeOf(part), "r");
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await handle.read(into, done, into.length - done, done);
        if (bytesRead === 0) throw missing(part);
        done += bytesRead;
      }
    } catch (error) {
      throw systemCode(error) === "ENOENT" ? missing(part) : error;
    } finally {
      await handle?.close();
    }
  }

  #withNames(count: number, work: (paths: readonly string[]) => Promise<void>): Promise<void> {
    const take = (paths: readonly string[]): Promise<void> =>
      paths.length === count
        ? work(paths)
        : this.#temporary.withName((path) => take([...paths, path]));
    return take([]);
  }

  #placeOf(name: string): string {
    if (namePattern.test(name)) return join(this.#folder, name);
    throw new StorageError(
      "bad-name",
      `not the name of a part: ${JSON.stringify(name.slice(0, 300))}`,
    );
  }
}

const missing = (part: string): StorageError =>
  new StorageError("missing", `the part ${part} of a page is gone or too short`);

const lengthOf = (stretches: readonly PageStretch[]): number =>
  stretches.reduce(
    (sum, stretch) =>
      sum + (stretch instanceof Uint8Array ? stretch.length : stretch.end - stretch.start),
    0,
  );

/** How far into each part it is read. */
function bytesWanted(stretches: readonly (PageStretch | undefined)[]): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const stretch of stretches)
    if (stretch !== undefined && !(stretch instanceof Uint8Array))
      wanted.set(stretch.part, Math.max(stretch.end, wanted.get(stretch.part) ?? 0));
  return wanted;
}

/** A new file, and what is to be added to it at the next flush. */
class OpenFile {
  readonly #handle: FileHandle;
  #waiting: Uint8Array[] = [];
  #lengthBytes = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#waiting.push(bytes);
  }

  async flush(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const bytes = waiting.reduce((sum, each) => sum + each.length, 0);
    const { bytesWritten } = await this.#handle.writev(waiting, this.#lengthBytes);
    // The system may take it in several bites, and says why not with the next.
    if (bytesWritten < bytes)
      await writeAt(
        this.#handle,
        Buffer.concat(waiting).subarray(bytesWritten),
        this.#lengthBytes + bytesWritten,
      );
    this.#lengthBytes += bytes;
  }

  async finish(modifiedAt: Date): Promise<void> {
    await this.flush();
    await this.#handle.chmod(0o644);
    await this.#handle.utimes(modifiedAt, modifiedAt);
    await this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
