/**
 * Writes what the search looks through, the lists of names, the sitemaps, and the pages that change only with the
 * program. Names come in stretches and go out in pages, with the event loop between them.
 */
import { text } from "node:stream/consumers";
import { setImmediate as breathe } from "node:timers/promises";
import { z } from "zod";
import { searchStretches } from "../../../db/views-farm.ts";
import { FAQ_PAGE_KEY, renderFaqPage } from "../../../web/pages/faq-page.ts";
import { JSON_PAGE_KEY, renderJsonPage } from "../../../web/pages/json-page.ts";
import { OPENAPI_KEY, renderOpenApi } from "../../../web/pages/openapi.ts";
import {
  namesPages,
  renderNamesPage,
  renderPackagesPage,
} from "../../../web/pages/packages-page.ts";
import type { Site } from "../../../web/pages/site.ts";
import { ROBOTS_KEY, renderRobots, sitemapKeys, sitemaps } from "../../../web/pages/sitemap.ts";
import {
  namesPageKey,
  PACKAGES_PAGE_KEY,
  SEARCH_LIST_KEY,
  SEARCH_PAGES_KEY,
} from "../../../web/public-key.ts";
import type { Storage } from "../../../web/storage.ts";
import type { PageWriter } from "./writer.ts";

type Row = readonly [name: string, lately: number, ever: number];

/** On the packages page. */
const TOP_SHOWN = 30;

export const writeSearchPages: PageWriter = async ({ ask, storage, site }) => {
  const names: string[] = [];
  const pieces: Buffer[] = [];
  let top: readonly Row[] = [];
  for await (const rows of searchStretches((args) => ask("searchList", args))) {
    const start = pieces.length === 0 ? "[" : ",";
    pieces.push(Buffer.from(start + JSON.stringify(rows).slice(1, -1)));
    for (const [name] of rows) names.push(name);
    top = mostDownloaded([...top, ...rows]);
  }
  pieces.push(Buffer.from(pieces.length === 0 ? "[]\n" : "]\n"));
  await storage.replace(SEARCH_LIST_KEY, Buffer.concat(pieces));
  await writeLists(storage, names, top, site);
  await storage.replace(ROBOTS_KEY, renderRobots(site));
  await storage.replace(FAQ_PAGE_KEY, renderFaqPage(site));
  await storage.replace(JSON_PAGE_KEY, renderJsonPage(site));
  await storage.replace(OPENAPI_KEY, renderOpenApi(site));
};

const mostDownloaded = (rows: readonly Row[]): readonly Row[] =>
  rows
    .filter(([, lately]) => lately > 0)
    .sort(([, one], [, other]) => other - one)
    .slice(0, TOP_SHOWN);

/**
 * How many lists there are changes with the names. Which ones may stand is noted before they are written, so that
 * those that are not wanted any more are found, whatever happens in between.
 */
async function writeLists(
  storage: Storage,
  names: readonly string[],
  top: readonly Row[],
  site: Site,
): Promise<void> {
  const before = await readNoted(storage);
  const prefixes = Array.from(namesPages(names), ({ prefix }) => prefix).slice(1);
  const wanted = [...prefixes.map(namesPageKey), ...sitemapKeys(names.length)];
  await note(storage, [...new Set([...before, ...wanted])]);
  const [all] = namesPages(names);
  for (const part of namesPages(names)) {
    if (part.prefix === "") continue;
    await storage.replace(namesPageKey(part.prefix), renderNamesPage(part, site));
    await breathe();
  }
  for (const { key, contents } of sitemaps(names, site)) {
    await storage.replace(key, contents);
    await breathe();
  }
  if (all !== undefined)
    await storage.replace(PACKAGES_PAGE_KEY, renderPackagesPage(all, names.length, top, site));
  // Now nothing leads to them.
  const kept = new Set(wanted);
  for (const key of before) if (!kept.has(key)) await storage.remove(key);
  await note(storage, wanted);
}

const notedSchema = z.object({ pages: z.array(z.string()) });

const note = (storage: Storage, pages: readonly string[]): Promise<unknown> =>
  storage.replace(SEARCH_PAGES_KEY, `${JSON.stringify({ pages })}\n`);

/** Nothing where there is no note, or none that can be read: then too much may stand, and nothing leads there. */
async function readNoted(storage: Storage): Promise<readonly string[]> {
  const file = await storage.open(SEARCH_PAGES_KEY);
  if (file === undefined) return [];
  try {
    return notedSchema.parse(JSON.parse(await text(file.read()))).pages.filter(isOurs);
  } catch {
    return [];
  } finally {
    await file.close();
  }
}

/** Whatever the note says, nothing else is taken away. */
const isOurs = (key: string): boolean =>
  /^(packages\/names-[a-z0-9-]+\.html|sitemaps\/\d+\.xml)$/.test(key);
