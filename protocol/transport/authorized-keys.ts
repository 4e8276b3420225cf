/**
 * The directory of keys that may come in: one file `NAME.pub` per slave or monitor, and those of `revoked/` below it, which may
 * not, whatever else lies there. A live view: a file added, moved or removed counts within a second, without a
 * restart. Asked by the ZAP handler, at HELLO, and while sessions last. Files are written by `key-register.ts`.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { isMissing, KEY_SUFFIX, KeyFolder } from "./key-folder.ts";

export interface AuthorizedKey {
  /** The file's name without `.pub`. */
  readonly name: string;
  readonly publicKey: string;
  /** As its file says, if it does. What it means is decided by who asks. */
  readonly right?: string;
}

export interface AuthorizedKeys {
  /** Whether the key lies in the directory now, at most a second ago. Never throws; an unreadable directory holds no keys. */
  isAuthorised(publicKeyZ85: string): boolean;
  /**
   * Whether who came in with the key may stay: as `isAuthorised`, but by the last look that succeeded. A directory that
   * cannot be read for a moment lets nobody in and sends nobody away.
   */
  mayStay(publicKeyZ85: string): boolean;
  /** By the last look that succeeded, as `mayStay`. */
  find(publicKeyZ85: string): AuthorizedKey | undefined;
  list(): readonly AuthorizedKey[];
  /** Files named `*.pub` that hold no key, to be shown to a person. */
  damaged(): readonly string[];
}

/** Below the directory: keys that are refused although their file may have been put back. */
export const REVOKED_FOLDER = "revoked";

/** How long a look at the directory serves. */
const LOOK_EVERY_MS = 1_000;

export interface LookOptions {
  /** How long a file that was edited in place may go unnoticed: it does not show in its directory. Default 10,000. */
  readonly readAllMs?: number;
  /** Told once why the directory cannot be read, until it can be again. */
  readonly failed?: (error: unknown) => void;
  /** How a person adds keys. Default `piw slave-key add`. */
  readonly addedBy?: string;
}

/** @throws EndpointConfigError where `dir` is not a readable directory, or anybody may write to it. */
export function readAuthorizedKeys(dir: string, options: LookOptions = {}): AuthorizedKeys {
  const { readAllMs = 10_000, failed = () => undefined, addedBy = "piw slave-key add" } = options;
  const view = new DirectoryView(dir, readAllMs, failed);
  try {
    view.look();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EndpointConfigError(
      `cannot read the directory of authorised keys ${dir}: ${why}. Make it, and add keys with ${addedBy}`,
      { cause: error },
    );
  }
  refuseOpenDirectory(dir);
  return {
    isAuthorised: (key) => view.keys().has(key),
    mayStay: (key) => {
      view.keys();
      return view.staying.has(key);
    },
    find: (key) => {
      view.keys();
      return view.staying.get(key);
    },
    list: () => [...view.keys().values()],
    damaged: () => {
      view.keys();
      return view.damaged;
    },
  };
}

/** Who may write there lets others in. @throws EndpointConfigError */
export function refuseOpenDirectory(dir: string): void {
  if ((statSync(dir).mode & 0o002) !== 0) {
    throw new EndpointConfigError(
      `anybody may write to the directory of authorised keys ${dir}: chmod o-w it`,
    );
  }
}

class DirectoryView {
  readonly #authorized: KeyFolder;
  readonly #revoked: KeyFolder;
  readonly #failed: (error: unknown) => void;
  #keys = new Map<string, AuthorizedKey>();
  /** Of the last look that succeeded, with keys whose files could not be read in it. */
  staying = new Map<string, AuthorizedKey>();
  damaged: string[] = [];
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #hasFailed = false;

  constructor(dir: string, readAllMs: number, failed: (error: unknown) => void) {
    this.#failed = failed;
    this.#authorized = new KeyFolder(dir, readAllMs);
    this.#revoked = new KeyFolder(join(dir, REVOKED_FOLDER), readAllMs);
  }

  keys(): ReadonlyMap<string, AuthorizedKey> {
    if (performance.now() - this.#lookedAtMs >= LOOK_EVERY_MS) {
      try {
        this.look();
        this.#hasFailed = false;
      } catch (error) {
        // Fails closed: a directory that cannot be read lets nobody in, and is looked at again.
        this.#keys = new Map();
        if (!this.#hasFailed) this.#failed(error);
        this.#hasFailed = true;
      }
    }
    return this.#keys;
  }

  look(): void {
    this.#lookedAtMs = performance.now();
    lookAtRevoked(this.#revoked);
    const revoked = new Set(this.#revoked.entries().map(({ publicKey }) => publicKey));
    // These were seen to be revoked, whatever the rest of the look comes to.
    for (const key of this.staying.keys()) if (revoked.has(key)) this.staying.delete(key);
    this.#authorized.look();
    const keys = new Map<string, AuthorizedKey>();
    const damaged: string[] = [];
    const unreadable = new Set<string>();
    for (const entry of this.#authorized.entries()) {
      const { name, publicKey, right } = entry;
      if (entry.unreadable !== undefined) unreadable.add(name);
      if (publicKey === undefined) damaged.push(`${name}${KEY_SUFFIX}`);
      else if (!keys.has(publicKey) && !revoked.has(publicKey))
        keys.set(publicKey, { name, publicKey, ...(right !== undefined && { right }) });
    }
    const kept = [...this.staying].filter(([, { name }]) => unreadable.has(name));
    this.staying = new Map([...kept, ...keys]);
    this.#keys = keys;
    this.damaged = damaged;
  }
}

/**
 * Until the first key is revoked there is no such folder. One that cannot be read, or has a file that cannot be read,
 * might hold any key.
 * @throws where that is so
 */
export function lookAtRevoked(folder: KeyFolder): void {
  try {
    folder.look();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  for (const { unreadable } of folder.entries()) if (unreadable !== undefined) throw unreadable;
}
