/** Writes pages of projects in the Simple API. Pages that go leave the root first, together: each time joins it anew. */
import { readSimplePages } from "../../../db/views-simple.ts";
import { renderSimpleProject } from "../../../web/index/simple-project.ts";
import { simplePageKeys } from "../../../web/public-key.ts";
import type { PublicPage } from "../../../web/storage.ts";
import type { PageWriter } from "./writer.ts";

/** So many are read at once, and so much is gathered before it is written: a project may have thousands of files. */
const TOGETHER = 20;
const GATHERED_CHARACTERS = 4_000_000;

export const writeSimplePages: PageWriter = async ({ ask, storage, root }, names) => {
  const standing = new Set<string>();
  let pages: PublicPage[] = [];
  let gathered = 0;
  for (let from = 0; from < names.length; from += TOGETHER) {
    const views = await readSimplePages(
      {
        simplePages: (args) => ask("simplePages", args),
        upstreamListing: (args) => ask("upstreamListing", args),
      },
      names.slice(from, from + TOGETHER),
    );
    for (const view of views) {
      standing.add(view.name);
      const keys = simplePageKeys(view.name);
      const { html, json } = renderSimpleProject(view);
      pages.push({ key: keys.html, contents: html }, { key: keys.json, contents: json });
      gathered += html.length + json.length;
      if (gathered > GATHERED_CHARACTERS) {
        await storage.replaceAll(pages);
        pages = [];
        gathered = 0;
      }
    }
  }
  await storage.replaceAll(pages);
  const leaving = names.filter((name) => !standing.has(name));
  if (leaving.length === 0) return;
  await root.change(new Map(leaving.map((name): [string, boolean] => [name, false])));
  // What it is made of was lost or damaged: it still names these pages, and is made anew.
  if (!(await root.isMade())) await ask("requestPage", { pages: [{ kind: "root", key: "" }] });
  for (const name of leaving) {
    const keys = simplePageKeys(name);
    await storage.remove(keys.html);
    await storage.remove(keys.json);
  }
};
