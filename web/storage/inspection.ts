/**
 * The output tree as it lies on disk, for piw-audit: what stands under a name, what is in a folder, and a place
 * within `.store` for what should not stand there. Unlike the storage it trusts nothing that it meets: links
 * are not followed, names may be any bytes. It gives nothing a public name; that is the storage's.
 *
 * Safe beside a master that works: it only reads, and renames what the caller has found to be wrong.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, opendir, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { StorageError } from "./contract.ts";
import { inStorageWords, systemCode } from "./disk.ts";

/** `odd`: a link, a folder, a pipe, or below a link: nothing that the farm made. */
export type Look =
  | { readonly kind: "absent" }
  | { readonly kind: "odd"; readonly reason: string }
  | { readonly kind: "unreadable"; readonly reason: string }
  | {
      readonly kind: "file";
      readonly sizeBytes: number;
      /** Two names with the same identity are one file. */
      readonly identity: string;
      readonly names: number;
      /** Since it was made or got a name. */
      readonly ageMs: number;
      /** When its contents were written, in ns since 1970: a page's compressed copies have the page's. */
      readonly modifiedNs: bigint;
    };

export interface TreeEntry {
  /** Below the output folder, byte for byte. */
  readonly place: Buffer;
  /** The last part; what is no UTF-8 has U+FFFD in it. */
  readonly name: string;
  readonly kind: "file" | "folder" | "other";
}

/** A key, or an entry's place. */
export type Place = string | Buffer;

export const blobPlace = (sha256: string): string =>
  join(".store", "blobs", sha256.slice(0, 2), sha256);

export class TreeInspection {
  readonly #output: string;
  readonly #run: string;
  /** Device and inode of the folder of the blobs as it was opened. */
  readonly #opened: string;
  /** The folder whose way down was looked at last. */
  #plainFolder = "";

  private constructor(output: string, run: string, opened: string) {
    this.#output = output;
    this.#run = run;
    this.#opened = opened;
  }

  /** @throws StorageError `failed` where there is no output folder of a farm, or it cannot be read */
  static async open(outputPath: string): Promise<TreeInspection> {
    const output = resolve(outputPath);
    let opened = "";
    try {
      await (await opendir(join(output, ".store", "blobs"))).close();
      opened = await identityOf(output);
    } catch (cause) {
      const reason = ["ENOENT", "ENOTDIR"].includes(systemCode(cause))
        ? "is no output folder of a farm: it has no .store/blobs"
        : "cannot be read: run this as the user that the master runs as";
      throw new StorageError("failed", `${output} ${reason}`, { cause });
    }
    const run = new Date().toISOString().replace(/[:.]/g, "-");
    return new TreeInspection(output, run, opened);
  }

  /**
   * Before what is missing is given up for good: that it is the tree and not the disk that lacks it.
   * @throws StorageError `failed` where another folder, or none, is where the tree was: its disk was unmounted
   */
  async expectSameDisk(): Promise<void> {
    const now = await identityOf(this.#output).catch(systemCode);
    if (now !== this.#opened)
      throw new StorageError(
        "failed",
        `${this.#output} is not the folder any more that was opened`,
      );
  }

  /** What stands there, without following links. */
  async look(place: Place): Promise<Look> {
    try {
      const linked = typeof place === "string" ? await this.#linkAbove(place) : undefined;
      if (linked !== undefined) return { kind: "odd", reason: `${linked} is no folder but a link` };
      const found = await lstat(this.#path(place), { bigint: true });
      if (found.isSymbolicLink()) return { kind: "odd", reason: "it is a link" };
      if (found.isDirectory()) return { kind: "odd", reason: "it is a folder" };
      if (!found.isFile()) return { kind: "odd", reason: "it is no ordinary file" };
      return {
        kind: "file",
        sizeBytes: Number(found.size),
        identity: `${found.dev}:${found.ino}`,
        names: Number(found.nlink),
        ageMs: Math.max(0, Date.now() - Number(found.ctimeMs)),
        modifiedNs: found.mtimeNs,
      };
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return { kind: "absent" };
      return { kind: "unreadable", reason: systemCode(error) || String(error) };
    }
  }

  /**
   * SHA-256 of an ordinary file, or of what is packed in it. Not to be read, or not packed so: an error.
   * @throws StorageError `failed`
   */
  hash(place: Place, packed?: "gzip" | "br"): Promise<string> {
    return inStorageWords("reading it", async () => {
      let handle: FileHandle | undefined;
      try {
        handle = await open(
          this.#path(place),
          constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
        );
        const hash = createHash("sha256");
        const bytes = handle.createReadStream({ highWaterMark: 256 * 1024, autoClose: false });
        const source =
          packed === undefined
            ? bytes
            : bytes.pipe(packed === "gzip" ? createGunzip() : createBrotliDecompress());
        if (source !== bytes) bytes.on("error", (error) => source.destroy(error));
        for await (const chunk of source) hash.update(chunk as Buffer);
        return hash.digest("hex");
      } finally {
        await handle?.close();
      }
    });
  }

  /**
   * What is in a folder, in the disk's order; nothing where there is none. A name of any bytes; one that
   * goes meanwhile may be missed.
   * @throws StorageError `failed` for a folder that cannot be read
   */
  async *entries(place: Place): AsyncGenerator<TreeEntry> {
    const parent = Buffer.from(place);
    try {
      const found = await lstat(this.#path(place));
      if (!found.isDirectory()) return;
      const folder = await opendir(this.#path(place), {
        encoding: "buffer" as BufferEncoding,
        bufferSize: 256,
      });
      for await (const entry of folder) {
        const bytes = Buffer.from(entry.name as unknown as Buffer);
        yield {
          place: Buffer.concat([parent, Buffer.from("/"), bytes]),
          name: bytes.toString("utf8"),
          kind: entry.isFile() ? "file" : entry.isDirectory() ? "folder" : "other",
        };
      }
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return;
      throw new StorageError("failed", `${parent.toString("utf8")}: its folder cannot be read`, {
        cause: error,
      });
    }
  }

  /**
   * Moves what stands there to `.store/quarantine/<time of this run>/`, under the name that it had. Says where
   * to, below the output folder; undefined where it is gone already.
   */
  quarantine(place: Place): Promise<string | undefined> {
    return inStorageWords("moving it to quarantine", async () => {
      const bytes = Buffer.from(place);
      const root = join(".store", "quarantine", this.#run);
      for (let attempt = 0; ; attempt += 1) {
        const to = join(root, String(attempt));
        const target = Buffer.concat([Buffer.from(`${to}/`), bytes]);
        const isTaken = (await this.look(target)).kind !== "absent";
        if (isTaken) continue;
        await this.#makeFolder(target.subarray(0, target.lastIndexOf("/")));
        try {
          await rename(this.#path(place), this.#path(target));
        } catch (error) {
          if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return undefined;
          throw error;
        }
        return target.toString("utf8");
      }
    });
  }

  /** Links a public file, whose contents are known to be right, to be its blob again. Repeatable. */
  restoreBlob(key: string, sha256: string): Promise<void> {
    return inStorageWords("storing its blob", async () => {
      const blob = join(this.#output, blobPlace(sha256));
      await mkdir(dirname(blob), { recursive: true, mode: 0o700 });
      try {
        await link(join(this.#output, key), blob);
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw error;
      }
    });
  }

  /** For checks that need a path. */
  pathOf(key: string): string {
    return join(this.#output, key);
  }

  async #makeFolder(place: Buffer): Promise<void> {
    await mkdir(this.#path(place), { recursive: true, mode: 0o700 });
  }

  /** The first folder on the way to a key that is a link. */
  async #linkAbove(key: string): Promise<string | undefined> {
    const folder = dirname(key);
    if (folder === this.#plainFolder) return undefined;
    let way = "";
    for (const part of folder.split("/")) {
      way = way === "" ? part : `${way}/${part}`;
      if ((await lstat(join(this.#output, way))).isSymbolicLink()) return way;
    }
    this.#plainFolder = folder;
    return undefined;
  }

  #path(place: Place): string | Buffer {
    if (typeof place === "string") return join(this.#output, place);
    return Buffer.concat([Buffer.from(`${this.#output}/`), place]);
  }
}

/** Of the folder of the blobs, which is on the disk of all the rest. */
async function identityOf(output: string): Promise<string> {
  const { dev, ino } = await lstat(join(output, ".store", "blobs"));
  return `${dev}:${ino}`;
}
