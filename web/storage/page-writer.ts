/**
 * Writes pages with their compressed copies, and takes them away. A page that stands already, its copies with
 * it, is left alone, so that who has it need not fetch it again. What is new is complete and synced before it
 * has its name, and the folders are synced after it: of many pages at once each folder once.
 *
 * Calls for one key follow each other in the order in which they came; those for different keys run at once.
 */
import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { compress } from "./compress.ts";
import type { PublicPage } from "./contract.ts";
import { syncFolder, systemCode } from "./disk.ts";
import { Gate } from "./gate.ts";
import { KeyOrder } from "./key-order.ts";
import { isUnlinked, type PublicPlaces } from "./public-places.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";
import { isCompressible, VARIANTS, variantsOf } from "./variants.ts";

/** Pages that are compressed and put on disk at once: others need the system's threads too. */
const WIDTH = 3;

interface Standing {
  readonly isSame: boolean;
  /** Undefined: nothing stands there. */
  readonly modifiedMs: number | undefined;
  readonly sizeBytes: number | undefined;
}

/** What waits under temporary names: the copies first, so that the page itself is the last to appear. */
interface Staged {
  readonly key: string;
  readonly files: readonly { readonly from: string; readonly to: string }[];
  /** Copies that a former page had and this has not. */
  readonly surplus: readonly string[];
}

export class PageWriter {
  readonly #places: PublicPlaces;
  readonly #temporary: TemporaryFolder;
  readonly #order = new KeyOrder();
  readonly #gate = new Gate(WIDTH);

  constructor(places: PublicPlaces, temporary: TemporaryFolder) {
    this.#places = places;
    this.#temporary = temporary;
  }

  /** Returns how many of the pages were written; the others stood already. */
  async replaceAll(pages: readonly PublicPage[]): Promise<number> {
    for (const { key } of pages) this.#places.of(key);
    return this.#order.run(
      pages.map(({ key }) => key),
      () => this.#temporary.withNames((newName) => this.#write(pages, newName)),
    );
  }

  /** The copies go before the page: a web server may give out a copy whose page is gone. */
  async remove(key: string): Promise<void> {
    const place = this.#places.of(key);
    await this.#order.run([key], async () => {
      if (isCompressible(key))
        for (const { suffix } of VARIANTS) await isUnlinked(`${place}${suffix}`);
      await isUnlinked(place);
      await this.#places.removeEmptyFolders(key);
    });
  }

  async #write(pages: readonly PublicPage[], newName: () => string): Promise<number> {
    const staged = await Promise.all(
      pages.map((page) => this.#gate.run(() => this.#stage(page, newName))),
    );
    const folders = new Set<string>();
    let written = 0;
    for (const page of staged) {
      if (page === undefined) continue;
      written += 1;
      for (const { from, to } of page.files)
        await this.#places.put(page.key, () => rename(from, to));
      for (const place of page.surplus) await isUnlinked(place);
      folders.add(dirname(this.#places.of(page.key)));
    }
    await Promise.all([...folders].map((folder) => this.#gate.run(() => syncFolder(folder))));
    return written;
  }

  /** Undefined where the page stands already. */
  async #stage({ key, contents }: PublicPage, newName: () => string): Promise<Staged | undefined> {
    const place = this.#places.of(key);
    const bytes = typeof contents === "string" ? Buffer.from(contents) : contents;
    const standing = await compare(key, place, bytes);
    if (standing.isSame) return undefined;
    const modifiedMs = nextInstant(standing, bytes.length);
    const variants = variantsOf(key, bytes.length);
    const files: { from: string; to: string }[] = [];
    for (const { encoding, suffix } of variants) {
      const from = newName();
      await writeFile(from, await compress(bytes, encoding), modifiedMs);
      files.push({ from, to: `${place}${suffix}` });
    }
    const from = newName();
    await writeFile(from, bytes, modifiedMs);
    files.push({ from, to: place });
    const surplus = isCompressible(key)
      ? VARIANTS.filter((variant) => !variants.includes(variant))
      : [];
    return { key, files, surplus: surplus.map(({ suffix }) => `${place}${suffix}`) };
  }
}

/** Whether these bytes stand there with the copies that belong to them, and no other copies. */
async function compare(key: string, place: string, bytes: Uint8Array): Promise<Standing> {
  const found = await findInstant(place);
  if (found === undefined) return { isSame: false, modifiedMs: undefined, sizeBytes: undefined };
  const known = { modifiedMs: Number(found.mtimeNs / 1_000_000n), sizeBytes: Number(found.size) };
  if (!found.isFile() || known.sizeBytes !== bytes.length) return { isSame: false, ...known };
  const expected = variantsOf(key, bytes.length);
  for (const variant of isCompressible(key) ? VARIANTS : []) {
    const copy = await findInstant(`${place}${variant.suffix}`);
    const isRight = expected.includes(variant)
      ? copy?.isFile() === true && copy.mtimeNs === found.mtimeNs
      : copy === undefined;
    if (!isRight) return { isSame: false, ...known };
  }
  return { isSame: (await readFile(place)).equals(bytes), ...known };
}

async function findInstant(place: string) {
  try {
    return await stat(place, { bigint: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return undefined;
    throw error;
  }
}

/**
 * When a page counts as written: now, in whole milliseconds, which every program can set and read exactly. Other
 * servers tell pages apart by size and second: a page as long as the one before it gets another second.
 */
function nextInstant({ modifiedMs, sizeBytes }: Standing, newBytes: number): number {
  const now = Date.now();
  if (modifiedMs === undefined || sizeBytes !== newBytes) return now;
  return Math.max(now, (Math.floor(modifiedMs / 1_000) + 1) * 1_000);
}

/** Creates a file that is readable by all, synced, and of this instant. It must not exist yet. */
async function writeFile(path: string, contents: Uint8Array, modifiedMs: number): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.chmod(0o644);
    await handle.writeFile(contents);
    await handle.utimes(modifiedMs / 1_000, modifiedMs / 1_000);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
