/**
 * Writes pages with their compressed copies, and takes them away. Calls for one key follow each other in the order in
 * which they came; those for different keys need not wait for each other. The writing itself is a thread's
 * (page-thread.ts).
 */
import type { PublicPage, StreamedPage } from "./contract.ts";
import { KeyOrder } from "./key-order.ts";
import { replaceInThread } from "./page-thread.ts";
import { isUnlinked, type PublicPlaces } from "./public-places.ts";
import type { NewPage } from "./replace-pages.ts";
import { stageStream } from "./staged-page.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";
import { isCompressible, VARIANTS } from "./variants.ts";

export class PageWriter {
  readonly #places: PublicPlaces;
  readonly #temporary: TemporaryFolder;
  readonly #order = new KeyOrder();

  constructor(places: PublicPlaces, temporary: TemporaryFolder) {
    this.#places = places;
    this.#temporary = temporary;
  }

  /** Returns how many of the pages were written; the others stood already. */
  async replaceAll(pages: readonly PublicPage[]): Promise<number> {
    if (pages.length === 0) return 0;
    const placed = pages.map((page) => ({ ...page, place: this.#places.of(page.key) }));
    return this.#order.run(keysOf(pages), () => this.#put(placed));
  }

  async replaceStreams(pages: readonly StreamedPage[]): Promise<number> {
    const places = pages.map(({ key }) => this.#places.of(key));
    return this.#order.run(keysOf(pages), () =>
      this.#temporary.withNames(async (newName) => {
        const staged = await Promise.allSettled(
          pages.map((page, at) => stageStream(page, places[at] ?? "", newName)),
        );
        // Only now, when none is still at work under the temporary names.
        for (const one of staged) if (one.status === "rejected") throw one.reason;
        return this.#put(staged.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
      }),
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

  #put(pages: readonly NewPage[]): Promise<number> {
    return replaceInThread({ pages, temporary: this.#temporary.path });
  }
}

const keysOf = (pages: readonly { readonly key: string }[]): string[] =>
  pages.map(({ key }) => key);
