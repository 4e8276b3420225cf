/**
 * The directory of keys that may come in: one file `NAME.pub` per slave. A live view: a file added or
 * removed counts within a second, without a restart. Asked by the ZAP handler, at HELLO, and while sessions last.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { findPublicKey } from "./key-file.ts";

export interface AuthorizedKey {
  /** The file's name without `.pub`. */
  readonly name: string;
  readonly publicKey: string;
}

export interface AuthorizedKeys {
  /** Whether the key lies in the directory now, at most a second ago. Never throws; an unreadable directory holds no keys. */
  isAuthorised(publicKeyZ85: string): boolean;
  findName(publicKeyZ85: string): string | undefined;
  list(): readonly AuthorizedKey[];
  /** Files named `*.pub` that hold no key, to be shown to a person. */
  damaged(): readonly string[];
}

/** How long a look at the directory serves. */
const LOOK_EVERY_MS = 1_000;
/** A directory changed this recently may change again under the same time stamp. */
const FRESH_MS = 100;
const LARGEST_FILE_BYTES = 64 * 1024;

/**
 * `readAllMs`: how long a file that was edited in place may go unnoticed, since that does not show in its
 * directory. Default 10,000.
 * @throws EndpointConfigError where `dir` is not a readable directory.
 */
export function readAuthorizedKeys(dir: string, readAllMs = 10_000): AuthorizedKeys {
  const view = new DirectoryView(dir, readAllMs);
  try {
    view.look();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EndpointConfigError(
      `cannot read the directory of authorised keys ${dir}: ${why}. Make it, and put a NAME.pub for each slave in it`,
      { cause: error },
    );
  }
  return {
    isAuthorised: (key) => view.names().has(key),
    findName: (key) => view.names().get(key),
    list: () => [...view.names()].map(([publicKey, name]) => ({ name, publicKey })),
    damaged: () => {
      view.names();
      return view.damaged;
    },
  };
}

class DirectoryView {
  readonly #dir: string;
  readonly #readAllMs: number;
  #names = new Map<string, string>();
  damaged: string[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #readAllAt = Number.NEGATIVE_INFINITY;
  #seenMtimeMs = -1;

  constructor(dir: string, readAllMs: number) {
    this.#dir = dir;
    this.#readAllMs = readAllMs;
  }

  names(): ReadonlyMap<string, string> {
    if (performance.now() - this.#lookedAt >= LOOK_EVERY_MS) {
      try {
        this.look();
      } catch {
        // Fails closed: a directory that cannot be read lets nobody in, and is looked at again.
        this.#names = new Map();
        this.#seenMtimeMs = -1;
      }
    }
    return this.#names;
  }

  look(): void {
    const now = performance.now();
    this.#lookedAt = now;
    const { mtimeMs } = statSync(this.#dir);
    const isUnchanged = mtimeMs === this.#seenMtimeMs;
    if (isUnchanged && now - this.#readAllAt < this.#readAllMs) return;
    const names = new Map<string, string>();
    const damaged: string[] = [];
    for (const file of readdirSync(this.#dir).sort()) {
      if (!file.endsWith(".pub") || file.startsWith(".")) continue;
      const key = readKey(join(this.#dir, file));
      if (key === undefined) damaged.push(file);
      else if (!names.has(key)) names.set(key, file.slice(0, -".pub".length));
    }
    this.#names = names;
    this.damaged = damaged;
    this.#readAllAt = now;
    this.#seenMtimeMs = Date.now() - mtimeMs < FRESH_MS ? -1 : mtimeMs;
  }
}

/** A file that vanished, is a directory or is too big is no key, and no trouble to the others. */
function readKey(path: string): string | undefined {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > LARGEST_FILE_BYTES) return undefined;
    return findPublicKey(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
