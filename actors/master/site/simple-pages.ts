/** Writes a project's page of the Simple API. A page that goes leaves the root first. */
import type { PageRequest } from "../../../protocol/model/page.ts";
import { renderSimpleProject } from "../../../web/index/simple-project.ts";
import { simplePageKeys } from "../../../web/public-key.ts";
import type { Desk, PageWriter } from "./writer.ts";

export const writeSimplePage: PageWriter = async ({ ask, storage, root }, name) => {
  const view = await ask("simplePage", { name });
  const keys = simplePageKeys(name);
  if (view === null) {
    await root.change(new Map([[name, false]]));
    // What it is made of was lost or damaged: it still names this page, and is made anew.
    if (!(await root.isMade())) await ask("requestPage", { pages: [{ kind: "root", key: "" }] });
    await storage.remove(keys.html);
    await storage.remove(keys.json);
    return;
  }
  const rendering = renderSimpleProject(view);
  await storage.replace(keys.html, rendering.html);
  await storage.replace(keys.json, rendering.json);
};

/** Before pages are written: takes those that will go from the root together, since each time joins it anew. */
export async function leaveRoot({ ask, root }: Desk, pages: readonly PageRequest[]): Promise<void> {
  const names = pages.filter(({ kind }) => kind === "simple").map(({ key }) => key);
  if (names.length < 2) return;
  const leaving = await ask("unlistedNames", { names });
  if (leaving.length > 0)
    await root.change(new Map(leaving.map((name): [string, boolean] => [name, false])));
}
