/**
 * Complete contents by hash: `blobs/<2 digits>/<sha256>`. A blob is synced before it has its name,
 * so whatever has the name is whole. The sweep and the storing of one content exclude each other.
 */
import { createHash } from "node:crypto";
import { statSync, unlinkSync } from "node:fs";
import { chmod, mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StorageError } from "./contract.ts";
import {
  findStat,
  hashFile,
  isLinked,
  namesIn,
  syncFolder,
  systemCode,
  writeNewFile,
} from "./disk.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

const sha256Pattern = /^[0-9a-f]{64}$/;
/** How many hashes one question of a sweep holds. */
const SWEEP_BATCH = 1_000;

export class BlobFolder {
  readonly #path: string;
  readonly #temporary: TemporaryFolder;
  /** Hashes that are being stored now, with how often: a sweep leaves these alone. */
  readonly #held = new Map<string, number>();

  constructor(path: string, temporary: TemporaryFolder) {
    this.#path = path;
    this.#temporary = temporary;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
  }

  /** @throws StorageError `bad-name` for anything but a lower-case SHA-256 */
  pathOf(sha256: string): string {
    if (!sha256Pattern.test(sha256)) {
      throw new StorageError("bad-name", `not a SHA-256: ${JSON.stringify(sha256.slice(0, 100))}`);
    }
    return join(this.#path, sha256.slice(0, 2), sha256);
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.lengthOf(sha256)) !== undefined;
  }

  async lengthOf(sha256: string): Promise<number | undefined> {
    return (await findStat(this.pathOf(sha256)))?.size;
  }

  /** Whether a blob stands; if so, its grace begins anew. */
  async touch(sha256: string): Promise<boolean> {
    try {
      // Moves the change time and nothing else: the modification time is what readers validate by.
      await chmod(this.pathOf(sha256), 0o644);
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    }
  }

  /**
   * Links a complete file to be the blob of this hash, unless that stands already.
   * @param known its hash where it was computed as the file was written; else the file is read for it
   */
  async adopt(from: string, sha256: string, known: string | undefined): Promise<void> {
    await this.#holding(sha256, async () => {
      if (!(await this.touch(sha256))) await this.#link(from, sha256, known);
    });
  }

  async put(bytes: Uint8Array): Promise<string> {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await this.#holding(sha256, async () => {
      if (await this.touch(sha256)) return;
      await this.#temporary.withName(async (path) => {
        await writeNewFile(path, bytes);
        await this.#link(path, sha256, sha256);
      });
    });
    return sha256;
  }

  async sweep(
    findReferenced: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
    graceMs: number,
  ): Promise<number> {
    let swept = 0;
    for (const folder of await readdir(this.#path)) {
      const names = await namesIn(join(this.#path, folder));
      for (let start = 0; start < names.length; start += SWEEP_BATCH) {
        const old = names
          .slice(start, start + SWEEP_BATCH)
          .filter((name) => sha256Pattern.test(name) && this.#isForgotten(name, graceMs));
        if (old.length === 0) continue;
        const referenced = await findReferenced(old);
        for (const hash of old) {
          if (!referenced.has(hash) && this.#isRemoved(hash, graceMs)) swept += 1;
        }
      }
    }
    return swept;
  }

  async #link(from: string, sha256: string, known: string | undefined): Promise<void> {
    const handle = await open(from, "r").catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
      throw new StorageError("missing", `nothing is staged to become blob ${sha256}`);
    });
    try {
      if ((known ?? (await hashFile(from))) !== sha256) {
        throw new StorageError("mismatch", `what is staged is not ${sha256}`);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const blob = this.pathOf(sha256);
    if ((await mkdir(dirname(blob), { recursive: true, mode: 0o700 })) !== undefined) {
      await syncFolder(this.#path);
    }
    // Where the name is taken meanwhile, it is by the same content.
    await isLinked(from, blob);
    await syncFolder(dirname(blob));
  }

  /** Whether a blob has no other name, and nobody stored it or took a name from it for longer than the grace. */
  #isForgotten(sha256: string, graceMs: number): boolean {
    if (this.#held.has(sha256)) return false;
    const found = statSync(this.pathOf(sha256), { throwIfNoEntry: false });
    if (found === undefined || found.nlink > 1) return false;
    // Whole milliseconds, as the clock has them: the change time has fractions.
    return Date.now() - Math.floor(found.ctimeMs) >= graceMs;
  }

  /** Looks and removes in one turn of the event loop, so that nobody stores it in between. */
  #isRemoved(sha256: string, graceMs: number): boolean {
    if (!this.#isForgotten(sha256, graceMs)) return false;
    unlinkSync(this.pathOf(sha256));
    return true;
  }

  async #holding(sha256: string, work: () => Promise<void>): Promise<void> {
    this.#held.set(sha256, (this.#held.get(sha256) ?? 0) + 1);
    try {
      await work();
    } finally {
      const left = (this.#held.get(sha256) ?? 1) - 1;
      if (left === 0) this.#held.delete(sha256);
      else this.#held.set(sha256, left);
    }
  }
}
