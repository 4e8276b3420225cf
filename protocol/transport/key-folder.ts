/**
 * A folder of public keys, one file `NAME.pub` each, as it is now. Looked at again and again by
 * `authorized-keys.ts`, which decides what the keys are good for, and once by `key-register.ts`.
 */
import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { findPublicKey, findSetting } from "./key-file.ts";

export const KEY_SUFFIX = ".pub";

/** A directory or file changed this recently may change again under the same time stamp. */
const FRESH_MS = 100;
const LARGEST_FILE_BYTES = 64 * 1024;

export interface KeyFileEntry {
  /** The file's name without `.pub`. */
  readonly name: string;
  /** Undefined where the file holds no key, or cannot be read. */
  readonly publicKey: string | undefined;
  /** What the key may do, where its file says so (`right = …`). */
  readonly right?: string;
  /** Why the file cannot be read although it is there: it might hold any key. */
  readonly unreadable?: Error;
  /** When the file was last changed, by the clock of its disk. */
  readonly changedAtMs: number;
}

interface Remembered {
  readonly entry: KeyFileEntry;
  readonly stamp: string;
}

export class KeyFolder {
  readonly #dir: string;
  readonly #readAllMs: number;
  #files = new Map<string, Remembered>();
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  #seenMtimeMs = -1;

  /** `readAllMs`: how long a file that was edited in place may go unnoticed: it does not show in its directory. */
  constructor(dir: string, readAllMs: number) {
    this.#dir = dir;
    this.#readAllMs = readAllMs;
  }

  /** In the order of their names. */
  entries(): KeyFileEntry[] {
    return [...this.#files.values()].map(({ entry }) => entry);
  }

  /**
   * Only files that have changed are read, so that thousands of slaves cost little.
   * @throws where the directory cannot be read; nothing is known of it then
   */
  look(): void {
    try {
      this.#look();
    } catch (error) {
      this.#files = new Map();
      this.#seenMtimeMs = -1;
      throw error;
    }
  }

  #look(): void {
    const { mtimeMs } = statSync(this.#dir);
    const nowMs = performance.now();
    if (mtimeMs === this.#seenMtimeMs && nowMs - this.#readAllAtMs < this.#readAllMs) return;
    const files = new Map<string, Remembered>();
    for (const file of readdirSync(this.#dir).sort()) {
      if (!file.endsWith(KEY_SUFFIX) || file.startsWith(".")) continue;
      files.set(file, readEntry(join(this.#dir, file), file, this.#files.get(file)));
    }
    this.#files = files;
    this.#readAllAtMs = nowMs;
    this.#seenMtimeMs = Date.now() - mtimeMs < FRESH_MS ? -1 : mtimeMs;
  }
}

/** A file that vanished, is a directory, is too big or cannot be read is no key, and no trouble to the others. */
function readEntry(path: string, file: string, known: Remembered | undefined): Remembered {
  const name = file.slice(0, -KEY_SUFFIX.length);
  try {
    const stat = statSync(path);
    const stamp = stampOf(stat);
    if (stamp !== "" && stamp === known?.stamp) return known;
    const isReadable = stat.isFile() && stat.size <= LARGEST_FILE_BYTES;
    const text = isReadable ? readFileSync(path, "utf8") : "";
    const right = findSetting(text, "right");
    const entry = {
      name,
      publicKey: findPublicKey(text),
      ...(right !== undefined && { right }),
      changedAtMs: stat.mtimeMs,
    };
    return { entry, stamp };
  } catch (error) {
    const entry = { name, publicKey: undefined, changedAtMs: 0 };
    if (isMissing(error)) return { entry, stamp: "" };
    const unreadable = error instanceof Error ? error : new Error(String(error));
    return { entry: { ...entry, unreadable }, stamp: "" };
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";

/** Empty for a file that may change again without showing it. */
function stampOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  const isFresh = Date.now() - Math.max(mtimeMs, ctimeMs) < FRESH_MS;
  return isFresh ? "" : `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}
