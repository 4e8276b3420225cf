/**
 * Writes pages with their compressed copies, and takes them away. A page that stands already, its copies with
 * it, is left alone, so that who has it need not fetch it again. What is new is complete and synced before it
 * has its name, and the folders are synced after it: of many pages at once each folder once.
 *
 * Calls for one key follow each other in the order in which they came; those for different keys run at once.
 */
import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { PublicPage, StreamedPage } from "./contract.ts";
import { syncFolder } from "./disk.ts";
import { Gate } from "./gate.ts";
import { KeyOrder } from "./key-order.ts";
import { isUnlinked, type PublicPlaces } from "./public-places.ts";
import { type Staged, stagePage, stageStream } from "./staged-page.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";
import { isCompressible, VARIANTS } from "./variants.ts";

/** Pages that are compressed and put on disk at once: others need the system's threads too. */
const WIDTH = 3;
/**
 * A page that stands for so long has its name on disk for good. Of a younger one, who wrote it may have
 * ended before the folder was synced.
 */
const SETTLED_MS = 600_000;

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
  replaceAll(pages: readonly PublicPage[]): Promise<number> {
    return this.#replace(
      pages.map(({ key }) => key),
      (newName) =>
        pages.map((page) => () => stagePage(page, { place: this.#places.of(page.key), newName })),
    );
  }

  replaceStreams(pages: readonly StreamedPage[]): Promise<number> {
    return this.#replace(
      pages.map(({ key }) => key),
      (newName) =>
        pages.map((page) => () => stageStream(page, { place: this.#places.of(page.key), newName })),
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

  async #replace(
    keys: readonly string[],
    stagings: (newName: () => string) => readonly (() => Promise<Staged>)[],
  ): Promise<number> {
    for (const key of keys) this.#places.of(key);
    return this.#order.run(keys, () =>
      this.#temporary.withNames(async (newName) => {
        const staged = await Promise.allSettled(
          stagings(newName).map((stage) => this.#gate.run(stage)),
        );
        // Only now, when none is still at work under the temporary names.
        for (const one of staged) if (one.status === "rejected") throw one.reason;
        return this.#putInPlace(
          keys,
          staged.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
        );
      }),
    );
  }

  /** @returns how many were to be put in their places */
  async #putInPlace(keys: readonly string[], staged: readonly Staged[]): Promise<number> {
    const folders = new Set<string>();
    let written = 0;
    for (const [at, page] of staged.entries()) {
      const key = keys[at] ?? "";
      if ("standsSinceMs" in page) {
        if (Date.now() - page.standsSinceMs > SETTLED_MS) continue;
      } else {
        written += 1;
        for (const { from, to } of page.files) await this.#places.put(key, () => rename(from, to));
        for (const place of page.surplus) await isUnlinked(place);
      }
      folders.add(dirname(this.#places.of(key)));
    }
    await Promise.all([...folders].map((folder) => this.#gate.run(() => syncFolder(folder))));
    return written;
  }
}
