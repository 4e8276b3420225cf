/** Writes what people and programs read of one project. */
import { renderProjectPage } from "../../../web/pages/project-page.ts";
import { projectPageKey } from "../../../web/public-key.ts";
import type { PageWriter } from "./writer.ts";

export const writeProjectPages: PageWriter = async ({ ask, storage, site }, name) => {
  const view = await ask("projectPage", { name });
  if (view === null) await storage.remove(projectPageKey(name));
  else await storage.replace(projectPageKey(name), renderProjectPage(view, site));
};
