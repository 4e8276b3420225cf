/** Writes the pages of the whole farm: all that changes with every build. */
import { renderHomePage } from "../../../web/pages/home-page.ts";
import { HOME_PAGE_KEY } from "../../../web/public-key.ts";
import type { PageWriter } from "./writer.ts";

export const writeFarmPages: PageWriter = async ({ ask, storage, site }) => {
  const view = await ask("homePage", null);
  await storage.replace(HOME_PAGE_KEY, renderHomePage(view, site));
};
