/** Which writer writes which kind of page. */
import type { PageKind } from "../../../protocol/model/page.ts";
import { writeFarmPages } from "./farm-pages.ts";
import { writeProjectPages } from "./project-pages.ts";
import { writeSimpleRoot } from "./root-page.ts";
import { writeSearchPages } from "./search-pages.ts";
import { writeSimplePages } from "./simple-pages.ts";
import type { PageWriter } from "./writer.ts";

/** Pages that a writer is given at once: what it asks of the database and of the disk it asks once for all of them. */
export const TOGETHER: Readonly<Record<PageKind, number>> = {
  simple: 100,
  project: 25,
  root: 1,
  home: 1,
  search: 1,
};

/** In stretches of so many, the last one of what is left. */
export function* stretchesOf<T>(items: readonly T[], count: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += count) yield items.slice(from, from + count);
}

export const pageWriters: Readonly<Record<PageKind, PageWriter>> = {
  simple: writeSimplePages,
  root: writeSimpleRoot,
  project: writeProjectPages,
  home: writeFarmPages,
  search: writeSearchPages,
};
