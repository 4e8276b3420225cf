/** Which writer writes which kind of page. */
import type { PageKind } from "../../../protocol/model/page.ts";
import { writeFarmPages } from "./farm-pages.ts";
import { writeProjectPages } from "./project-pages.ts";
import { writeSimpleRoot } from "./root-page.ts";
import { writeSearchPages } from "./search-pages.ts";
import { writeSimplePage } from "./simple-pages.ts";
import type { PageWriter } from "./writer.ts";

export const pageWriters: Readonly<Record<PageKind, PageWriter>> = {
  simple: writeSimplePage,
  root: writeSimpleRoot,
  project: writeProjectPages,
  home: writeFarmPages,
  search: writeSearchPages,
};
