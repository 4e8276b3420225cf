/**
 * Changes the directory of authorised keys for a person: adds, revokes, lists. Called by `piw slave-key` and
 * `piw monitor-key`; a running master sees the files by itself (`authorized-keys.ts`). The files are the
 * truth: nothing else is kept.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { lookAtRevoked, REVOKED_FOLDER, refuseOpenDirectory } from "./authorized-keys.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { KEY_SUFFIX, type KeyFileEntry, KeyFolder } from "./key-folder.ts";
import { decodeZ85Key } from "./z85.ts";

export interface RegisteredKey {
  readonly name: string;
  /** `revoked` also where the file was put back; `damaged`: the file holds no key, and lets nobody in. */
  readonly state: "authorised" | "revoked" | "damaged";
  readonly publicKey: string | undefined;
  /** As its file says, if it does. */
  readonly right?: string;
  /** Of the file's last change: when the key was added, or revoked. */
  readonly sinceAtMs: number;
}

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** As many keys of one name may have been revoked. */
const MOST_OF_ONE_NAME = 1_000;

/** Authorised and damaged ones first, each kind by name. @throws EndpointConfigError where the directory cannot be read. */
export function listKeys(dir: string): RegisteredKey[] {
  const { authorised, revoked } = readFolders(dir);
  const refused = new Set(revoked.map(({ publicKey }) => publicKey));
  return [
    ...authorised.map((entry) => rowOf(entry, refused.has(entry.publicKey))),
    ...revoked.map((entry) => rowOf(entry, true)),
  ];
}

const rowOf = (
  { name, publicKey, right, changedAtMs }: KeyFileEntry,
  isRevoked: boolean,
): RegisteredKey =>
  ({
    name,
    ...(right !== undefined && { right }),
    state: publicKey === undefined ? "damaged" : isRevoked ? "revoked" : "authorised",
    publicKey,
    sinceAtMs: changedAtMs,
  }) as const;

/** What became of a key that was to be added. */
export type Added = "added" | "known" | "changed";

/**
 * Adds a key, all or nothing: whoever reads the directory sees the whole file or none. Makes the directory where only it is
 * missing. One that stands under this name already is `known`, and where it may do something else now, `changed`.
 * @param right what it may do, where that is not the same for all
 * @throws EndpointConfigError for a name that is none or taken, a key that is none, was revoked, or has another name
 */
export function addKey(dir: string, name: string, publicKey: string, right?: string): Added {
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name) || name.endsWith(KEY_SUFFIX)) {
    throw new EndpointConfigError(
      `${JSON.stringify(name.slice(0, 60))} cannot be a key's name: up to 100 letters, digits and . _ -, such as board-1`,
    );
  }
  if (decodeZ85Key(publicKey) === undefined) {
    throw new EndpointConfigError(
      `${JSON.stringify(publicKey.slice(0, 60))} is neither a public key (40 characters) nor a file that holds one`,
    );
  }
  makeFolder(dir);
  refuseOpenDirectory(dir);
  const { authorised, revoked } = readFolders(dir);
  const former = revoked.find((entry) => entry.publicKey === publicKey);
  if (former !== undefined) {
    throw new EndpointConfigError(
      `this key was revoked (${former.name}): make a new one with piw keygen, or remove ${join(dir, REVOKED_FOLDER, former.name + KEY_SUFFIX)} to trust it again`,
    );
  }
  const same = authorised.find((entry) => entry.publicKey === publicKey);
  const lines = [
    `# added as ${name}`,
    ...(right === undefined ? [] : [`right = ${right}`]),
    publicKey,
  ];
  const text = `${lines.join("\n")}\n`;
  if (same?.name === name) {
    if (same.right === right) return "known";
    write(dir, text, (made) => renameSync(made, join(dir, `${name}${KEY_SUFFIX}`)));
    return "changed";
  }
  if (same !== undefined) {
    throw new EndpointConfigError(`this key is authorised already, as ${same.name}`);
  }
  if (!writeOnce(dir, name, text)) {
    throw new EndpointConfigError(
      `${name} has another key already: revoke that first, or give another name`,
    );
  }
  return "added";
}

/**
 * Moves a key, under whatever names it stands, to `revoked/`: from then on no master lets it in, also if a file with it is put
 * back. Gives the names that are gone; none where the key was revoked before.
 * @throws EndpointConfigError where there is no such name
 */
export function revokeKey(dir: string, name: string): string[] {
  const { authorised, revoked } = readFolders(dir);
  const named = authorised.find((entry) => entry.name === name);
  if (named === undefined) {
    if (revoked.some((entry) => entry.name === name)) return [];
    throw new EndpointConfigError(`no key in ${dir} is called ${JSON.stringify(name)}`);
  }
  const { publicKey } = named;
  const gone = authorised.filter(
    (entry) => entry === named || (publicKey !== undefined && entry.publicKey === publicKey),
  );
  const into = join(dir, REVOKED_FOLDER);
  makeFolder(into);
  for (const { name: each } of gone) {
    const path = join(dir, `${each}${KEY_SUFFIX}`);
    // First there, then gone: cut off in between it is refused already, and said again it is finished.
    keepRevoked(into, each, readText(path));
    unlinkSync(path);
    syncFolder(dir);
  }
  return gone.map((entry) => entry.name);
}

function keepRevoked(into: string, name: string, text: string): void {
  for (let number = 1; number <= MOST_OF_ONE_NAME; number += 1) {
    const as = number === 1 ? name : `${name}.${number}`;
    if (writeOnce(into, as, text)) return;
    if (readText(join(into, `${as}${KEY_SUFFIX}`)) === text) return;
  }
  throw new EndpointConfigError(`${into} holds too many keys called ${name}: remove old ones`);
}

function readFolders(dir: string): { authorised: KeyFileEntry[]; revoked: KeyFileEntry[] } {
  const folders = [new KeyFolder(dir, 0), new KeyFolder(join(dir, REVOKED_FOLDER), 0)] as const;
  try {
    folders[0].look();
    lookAtRevoked(folders[1]);
  } catch (error) {
    throw new EndpointConfigError(`cannot read the authorised keys in ${dir}: ${textOf(error)}`, {
      cause: error,
    });
  }
  return { authorised: folders[0].entries(), revoked: folders[1].entries() };
}

/** False where the name stands. */
function writeOnce(dir: string, name: string, text: string): boolean {
  // A hard link is made with its contents or not at all.
  return write(dir, text, (made) => linkSync(made, join(dir, `${name}${KEY_SUFFIX}`)));
}

/** `give` gives the file, which is whole then, its name. False where that stands. */
function write(dir: string, text: string, give: (made: string) => void): boolean {
  const temporary = join(dir, `.${randomUUID()}`);
  try {
    const handle = openSync(temporary, "wx", FILE_MODE);
    try {
      openToMaster(handle, FILE_MODE, dir);
      writeFileSync(handle, text, { flush: true });
    } finally {
      closeSync(handle);
    }
    give(temporary);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw new EndpointConfigError(`cannot write to ${dir}: ${textOf(error)}`, { cause: error });
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dir);
  return true;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: FOLDER_MODE });
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    const handle = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      openToMaster(handle, FOLDER_MODE, dirname(path));
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    throw new EndpointConfigError(`cannot make the directory ${path}: ${textOf(error)}`, {
      cause: error,
    });
  }
  syncFolder(dirname(path));
}

/** The master reads it, whatever umask a person has; and what root makes belongs to whom the folder around it belongs. */
function openToMaster(handle: number, mode: number, folder: string): void {
  fchmodSync(handle, mode);
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  fchownSync(handle, uid, gid);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new EndpointConfigError(`cannot read ${path}: ${textOf(error)}`, { cause: error });
  }
}

function syncFolder(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
