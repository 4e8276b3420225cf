/** Writes what the search looks through. */
import { SEARCH_LIST_KEY } from "../../../web/public-key.ts";
import type { PageWriter } from "./writer.ts";

export const writeSearchPages: PageWriter = async ({ ask, storage }) => {
  const list = await ask("searchList", null);
  await storage.replace(SEARCH_LIST_KEY, JSON.stringify(list));
};
