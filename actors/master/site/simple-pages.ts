/** Writes the Simple API: the root, and a project's page. */
import { allSimpleNames } from "../../../db/views.ts";
import { renderSimpleProject } from "../../../web/index/simple-project.ts";
import { renderSimpleRoot, type SimpleRendering } from "../../../web/index/simple-root.ts";
import { simplePageKeys } from "../../../web/public-key.ts";
import type { Storage } from "../../../web/storage.ts";
import type { PageWriter } from "./writer.ts";

export const writeSimplePage: PageWriter = async ({ ask, storage }, name) => {
  const view = await ask("simplePage", { name });
  const keys = simplePageKeys(name);
  if (view !== null) return replaceBoth(storage, keys, renderSimpleProject(view));
  await storage.remove(keys.html);
  await storage.remove(keys.json);
};

export const writeSimpleRoot: PageWriter = async ({ ask, storage }) => {
  const names = await allSimpleNames((args) => ask("simpleNames", args));
  await replaceBoth(storage, simplePageKeys(), renderSimpleRoot(names));
};

async function replaceBoth(
  storage: Storage,
  keys: { readonly html: string; readonly json: string },
  rendering: SimpleRendering,
): Promise<void> {
  await storage.replace(keys.html, rendering.html);
  await storage.replace(keys.json, rendering.json);
}
