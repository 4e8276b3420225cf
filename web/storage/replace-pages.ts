/**
 * Puts pages with their compressed copies in their places: the work of the page thread. One system call after the
 * other, since a page is six small files or more, and to hand each call to another thread costs more than the calls.
 *
 * A page that stands already, its copies with it, is left alone. The others are complete and durable under temporary
 * names before the first has its own; then they get their names in the order given, a page's copies before the page;
 * then the folders are made durable. A crash in between leaves pages that are the old or the new one, whole.
 */
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { compress } from "./compress.ts";
import { systemCode } from "./disk.ts";
import { makeDurable } from "./durable.ts";
import { findStanding, type StandingPage } from "./standing-page.ts";
import { isCompressible, VARIANTS, type Variant, variantsOf } from "./variants.ts";

export interface NewPage {
  readonly key: string;
  /** Where it is to be. */
  readonly place: string;
  /** Or the file that it lies in for the time being: a temporary one, which is complete and durable. */
  readonly contents: string | Uint8Array | { readonly file: string; readonly sizeBytes: number };
  /** Copies that are at hand, in such files too. */
  readonly copies?: Partial<Readonly<Record<Variant["encoding"], string>>>;
}

export interface Replacing {
  readonly pages: readonly NewPage[];
  /** Where half-written things lie, on the same file system. */
  readonly temporary: string;
}

/**
 * A page that stands for so long has its name on disk for good. Of a younger one, who wrote it may have
 * ended before the folder was synced.
 */
const SETTLED_MS = 600_000;
/** How often a folder is made again when a removal takes it away in between. */
const ATTEMPTS = 5;

interface Staged {
  /** The copies come first, so that the page itself is the last to appear. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
  /** Copies that a former page may have had and this has not. */
  readonly surplus: readonly string[];
}

/**
 * What lies in a temporary file is taken or thrown away, also where this fails.
 * @returns how many were written; the others stood already
 */
export function replacePages({ pages, temporary }: Replacing): number {
  const temporaries = new Set(pages.flatMap(filesOf));
  const newName = (): string => {
    const name = join(temporary, randomUUID());
    temporaries.add(name);
    return name;
  };
  try {
    const written: string[] = [];
    const folders = new Set<string>();
    const staged: Staged[] = [];
    for (const page of pages) {
      const found = stage(page, newName, written);
      if ("standsSinceMs" in found) {
        if (Date.now() - found.standsSinceMs > SETTLED_MS) continue;
      } else staged.push(found);
      folders.add(dirname(page.place));
    }
    makeDurable(written);
    for (const { files, surplus } of staged) {
      for (const { from, to } of files) {
        put(from, to, folders);
        temporaries.delete(from);
      }
      for (const place of surplus) removeOne(place);
    }
    makeDurable([...folders]);
    return staged.length;
  } finally {
    for (const name of temporaries) rmSync(name, { force: true });
  }
}

const filesOf = ({ contents, copies = {} }: NewPage): string[] => [
  ...(typeof contents === "object" && "file" in contents ? [contents.file] : []),
  ...Object.values(copies),
];

/** @param written is told what has to be made durable */
function stage(
  { key, place, contents, copies = {} }: NewPage,
  newName: () => string,
  written: string[],
): Staged | { readonly standsSinceMs: number } {
  const own = typeof contents === "object" && "file" in contents ? contents : undefined;
  let bytes: Uint8Array | undefined =
    typeof contents === "string"
      ? Buffer.from(contents)
      : contents instanceof Uint8Array
        ? contents
        : undefined;
  // One that lies in a file may be large: it is read only where that is needed.
  const read = (): Uint8Array => (bytes ??= readFileSync(own?.file ?? ""));
  const sizeBytes = own?.sizeBytes ?? read().length;
  const standing = findStanding(key, place);
  if (standing?.hasCopies === true && standing.sizeBytes === sizeBytes) {
    if (readFileSync(place).equals(read())) return { standsSinceMs: standing.modifiedMs };
  }
  const modifiedMs = nextInstant(standing, sizeBytes);
  const write = (what: () => Uint8Array, file: string | undefined): string => {
    const name = file ?? newName();
    if (file === undefined) writeNew(name, what(), modifiedMs);
    else seal(name, modifiedMs);
    written.push(name);
    return name;
  };
  const files = [{ from: write(read, own?.file), to: place }];
  for (const { encoding, suffix } of variantsOf(key, sizeBytes))
    files.unshift({
      from: write(() => compress(read(), encoding), copies[encoding]),
      to: `${place}${suffix}`,
    });
  return { files, surplus: surplusOf(key, place, sizeBytes) };
}

function surplusOf(key: string, place: string, sizeBytes: number): string[] {
  if (!isCompressible(key)) return [];
  const kept = variantsOf(key, sizeBytes);
  return VARIANTS.filter((variant) => !kept.includes(variant)).map(
    ({ suffix }) => `${place}${suffix}`,
  );
}

/**
 * When a page counts as written: now, in whole milliseconds, which every program can set and read exactly. Other
 * servers tell pages apart by size and second: a page as long as the one before it gets another second.
 */
function nextInstant(standing: StandingPage | undefined, sizeBytes: number): number {
  const now = Date.now();
  if (standing?.sizeBytes !== sizeBytes) return now;
  return Math.max(now, (Math.floor(standing.modifiedMs / 1_000) + 1) * 1_000);
}

/** Creates a file that is readable by all, and of this instant. It must not exist yet. */
function writeNew(path: string, bytes: Uint8Array, modifiedMs: number): void {
  const descriptor = openSync(path, "wx");
  try {
    // The system may take them in several bites.
    for (let done = 0; done < bytes.length; )
      done += writeSync(descriptor, bytes, done, bytes.length - done, done);
    fchmodSync(descriptor, 0o644);
    futimesSync(descriptor, modifiedMs / 1_000, modifiedMs / 1_000);
  } finally {
    closeSync(descriptor);
  }
}

function seal(path: string, modifiedMs: number): void {
  const descriptor = openSync(path, "r+");
  try {
    fchmodSync(descriptor, 0o644);
    futimesSync(descriptor, modifiedMs / 1_000, modifiedMs / 1_000);
  } finally {
    closeSync(descriptor);
  }
}

/** @param folders is told which folders have to be made durable beside the page's own */
function put(from: string, to: string, folders: Set<string>): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      renameSync(from, to);
      return;
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || attempt === ATTEMPTS) throw error;
      makeFolder(dirname(to), folders);
    }
  }
}

/** Readable by the web server's user whatever the umask of this process; one that is there keeps its mode. */
function makeFolder(folder: string, folders: Set<string>): void {
  const first = mkdirSync(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    chmodSync(made, 0o755);
    folders.add(dirname(made));
  }
}

function removeOne(place: string): void {
  try {
    unlinkSync(place);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(systemCode(error))) throw error;
  }
}
