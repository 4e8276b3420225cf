/** Writes pages of projects in the Simple API. Pages that go leave the root first, together: each time joins it anew. */
import { readSimplePages } from "../../../db/views-simple.ts";
import { renderSimpleProject } from "../../../web/index/simple-project.ts";
import { simplePageKeys } from "../../../web/public-key.ts";
import type { PublicPage } from "../../../web/storage.ts";
import type { PageWriter } from "./writer.ts";

export const writeSimplePages: PageWriter = async ({ ask, storage, root }, names) => {
  const views = await readSimplePages(
    {
      simplePages: (args) => ask("simplePages", args),
      upstreamListing: (args) => ask("upstreamListing", args),
    },
    names,
  );
  const pages: PublicPage[] = [];
  for (const view of views) {
    const keys = simplePageKeys(view.name);
    const rendering = renderSimpleProject(view);
    pages.push(
      { key: keys.html, contents: rendering.html },
      { key: keys.json, contents: rendering.json },
    );
  }
  await storage.replaceAll(pages);
  const standing = new Set(views.map(({ name }) => name));
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
