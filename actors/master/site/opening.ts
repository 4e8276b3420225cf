/**
 * What the Scribe does when it starts: puts the files in place that come with the product, and asks for what is
 * missing of the site. Where the product or the site's address is another one than that of the pages that stand,
 * all are made again in the background. Otherwise a start writes nothing.
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { siteAssets } from "../../../web/assets.ts";
import type { RootIndex } from "../../../web/index/root-index.ts";
import { renderLogPage } from "../../../web/pages/log-page.ts";
import { renderNotFoundPage } from "../../../web/pages/not-found-page.ts";
import {
  HOME_PAGE_KEY,
  LOG_PAGE_KEY,
  NOT_FOUND_PAGE_KEY,
  SEARCH_LIST_KEY,
  simplePageKeys,
} from "../../../web/public-key.ts";
import type { PublicPage, Storage } from "../../../web/storage.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "../database.ts";

interface Opening {
  readonly database: DatabaseRef;
  readonly storage: Storage;
  readonly root: RootIndex;
  readonly name: string;
  readonly version: string;
  readonly publicUrl: string | undefined;
}

const RETRY_MS = 5_000;

/** Until it is done: a disk without room is a state of the Scribe's, not its end. */
export async function openSite(asker: Asker, opening: Opening): Promise<void> {
  const { database, storage, root, name, version, publicUrl = "" } = opening;
  const fixed: PublicPage[] = [
    ...siteAssets,
    { key: NOT_FOUND_PAGE_KEY, contents: renderNotFoundPage({ name }) },
    { key: LOG_PAGE_KEY, contents: renderLogPage({ name, url: "" }) },
  ];
  const hash = createHash("sha256");
  for (const { key, contents } of fixed) hash.update(`${key}\n`).update(contents);
  const madeBy = `${version} ${hash.digest("hex").slice(0, 16)} ${publicUrl}`.slice(0, 500);
  for (;;) {
    try {
      await storage.replaceAll(fixed);
      const missing = await findMissing(storage, root);
      await askUntilDone(asker, database, "openSite", { madeBy, missing });
      asker.healthy();
      return;
    } catch (error) {
      if (asker.signal.aborted) return;
      asker.degraded(error instanceof Error ? error.message : String(error));
      await delay(RETRY_MS, undefined, { signal: asker.signal }).catch(() => undefined);
    }
  }
}

async function findMissing(
  storage: Storage,
  root: RootIndex,
): Promise<("root" | "home" | "search")[]> {
  const { html, json } = simplePageKeys();
  const keys = {
    root: [html, json],
    home: [HOME_PAGE_KEY],
    search: [SEARCH_LIST_KEY],
  };
  const missing: (keyof typeof keys)[] = [];
  for (const kind of ["root", "home", "search"] as const)
    for (const key of keys[kind]) {
      const file = await storage.open(key);
      await file?.close();
      if (file === undefined && !missing.includes(kind)) missing.push(kind);
    }
  // Its pages may stand without what they are made of, as after a restore of what is public alone.
  if (!missing.includes("root") && !(await root.isMade())) missing.push("root");
  return missing;
}
