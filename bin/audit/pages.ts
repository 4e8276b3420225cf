/**
 * piw-audit: the pages of what is public. A page that is missing, or does not say what the database says, is
 * asked for; the master writes it. One that is asked for already is the master's concern.
 */
import { createHash } from "node:crypto";
import { type AuditedPackage, auditedPackages, requestedPages } from "../../db/audit.ts";
import { requestPage } from "../../db/pages.ts";
import { WHOLE_ROOT } from "../../db/root-changes.ts";
import {
  allSimpleNames,
  readSimplePages,
  simpleNames,
  simplePages,
  upstreamListing,
} from "../../db/views-simple.ts";
import type { PageKind } from "../../protocol/model/page.ts";
import type { SimpleRendering } from "../../web/index/simple-document.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderRootStretch, rootFrames } from "../../web/index/simple-root.ts";
import { FAQ_PAGE_KEY } from "../../web/pages/faq-page.ts";
import { farmFeeds } from "../../web/pages/farm-feeds.ts";
import { JSON_PAGE_KEY } from "../../web/pages/json-page.ts";
import { OPENAPI_KEY } from "../../web/pages/openapi.ts";
import { ROBOTS_KEY } from "../../web/pages/sitemap.ts";
import {
  badgeKey,
  FARM_JSON_KEY,
  HOME_PAGE_KEY,
  PACKAGES_PAGE_KEY,
  projectFeedKey,
  projectJsonKey,
  projectPageKey,
  QUEUE_PAGE_KEY,
  SEARCH_LIST_KEY,
  STATISTICS_PAGE_KEY,
  simplePageKeys,
} from "../../web/public-key.ts";
import { lookAtCopies } from "./copies.ts";
import { type Audit, examine, type Problem } from "./examination.ts";
import { clear } from "./public-file.ts";
import { sha256Of } from "./sha256-of.ts";

const BATCH = 500;

export async function auditPages(audit: Audit): Promise<void> {
  for (let afterId = 0; ; ) {
    const items = await auditedPackages(audit.sql, { afterId, limit: BATCH });
    const last = items.at(-1);
    if (last === undefined) break;
    afterId = last.id;
    await examine(audit, {
      what: "packages",
      items,
      look: (item) => lookAtPackage(audit, item),
      refresh: (some) => auditedPackages(audit.sql, { ids: some.map((item) => item.id) }),
    });
  }
  await examine(audit, {
    what: "front pages",
    items: [null],
    look: () => lookAtFront(audit),
    refresh: (items) => Promise.resolve(items),
  });
}

async function lookAtPackage(
  audit: Audit,
  { name, requested, isAttempted }: AuditedPackage,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  if (!requested.includes("simple")) {
    const view = audit.isQuick ? undefined : await readSimplePage(audit, name);
    const rendering = view === undefined ? undefined : renderSimpleProject(view);
    problems.push(...(await lookAtBoth(audit, simplePageKeys(name), "simple", name, rendering)));
  }
  if (requested.includes("project")) return problems;
  const places = [projectPageKey(name), projectJsonKey(name)];
  if (isAttempted) places.push(badgeKey(name), projectFeedKey(name));
  for (const place of places) problems.push(...(await lookAtPage(audit, place, "project", name)));
  return problems;
}

async function readSimplePage({ sql }: Audit, name: string) {
  const [page] = await readSimplePages(
    {
      simplePages: (args) => simplePages.run(sql, args),
      upstreamListing: (args) => upstreamListing.run(sql, args),
    },
    [name],
  );
  return page;
}

async function lookAtFront(audit: Audit): Promise<Problem[]> {
  const requested = await requestedPages(audit.sql);
  const problems: Problem[] = [];
  if (!requested.has("root")) {
    const keys = simplePageKeys();
    const hashes = audit.isQuick ? undefined : await rootHashes(audit);
    problems.push(...(await lookAtPage(audit, keys.html, "root", WHOLE_ROOT, hashes?.html)));
    problems.push(...(await lookAtPage(audit, keys.json, "root", WHOLE_ROOT, hashes?.json)));
  }
  for (const [kind, places] of Object.entries(farmPages) as [
    keyof typeof farmPages,
    readonly string[],
  ][])
    if (!requested.has(kind))
      for (const place of places) problems.push(...(await lookAtPage(audit, place, kind, "")));
  return problems;
}

/**
 * What stands however small the farm is. Their contents are of an instant that the database tells no more: whether
 * they are there is looked at, and whether their copies are theirs.
 */
const farmPages = {
  home: [
    HOME_PAGE_KEY,
    FARM_JSON_KEY,
    farmFeeds.builds.key,
    farmFeeds.failures.key,
    QUEUE_PAGE_KEY,
    STATISTICS_PAGE_KEY,
  ],
  search: [
    SEARCH_LIST_KEY,
    PACKAGES_PAGE_KEY,
    ROBOTS_KEY,
    FAQ_PAGE_KEY,
    JSON_PAGE_KEY,
    OPENAPI_KEY,
  ],
} as const satisfies Partial<Record<PageKind, readonly string[]>>;

/** What the root of the index should be, in stretches: it may be too large to hold. */
async function rootHashes(audit: Audit): Promise<SimpleRendering> {
  const hashes = { html: createHash("sha256"), json: createHash("sha256") };
  for (const rendering of ["html", "json"] as const)
    hashes[rendering].update(rootFrames[rendering].start);
  let isFirst = true;
  for await (const { names } of allSimpleNames((args) => simpleNames.run(audit.sql, args))) {
    if (names.length === 0) continue;
    const stretch = renderRootStretch(names);
    for (const rendering of ["html", "json"] as const) {
      if (!isFirst) hashes[rendering].update(rootFrames[rendering].between);
      hashes[rendering].update(stretch[rendering]);
    }
    isFirst = false;
  }
  for (const rendering of ["html", "json"] as const)
    hashes[rendering].update(rootFrames[rendering].end);
  return { html: hashes.html.digest("hex"), json: hashes.json.digest("hex") };
}

async function lookAtBoth(
  audit: Audit,
  keys: { readonly html: string; readonly json: string },
  kind: PageKind,
  key: string,
  rendering: SimpleRendering | undefined,
): Promise<Problem[]> {
  const [html, json] = [rendering?.html, rendering?.json].map(
    (contents) => contents && sha256Of(contents),
  );
  return [
    ...(await lookAtPage(audit, keys.html, kind, key, html)),
    ...(await lookAtPage(audit, keys.json, kind, key, json)),
  ];
}

/** @param sha256 of what it should say; undefined: it is not read */
async function lookAtPage(
  audit: Audit,
  place: string,
  kind: PageKind,
  key: string,
  sha256?: string,
): Promise<Problem[]> {
  const { tree, sql } = audit;
  const found = await tree.look(place);
  const problem = (what: string, detail: string, isCleared = false): Problem[] => [
    {
      kind: what,
      place,
      detail,
      mend: async () => {
        const done = isCleared ? await clear(audit, place) : "";
        await requestPage.run(sql, { pages: [{ kind, key }] });
        return `${done}asked for: the master writes it`;
      },
    },
  ];
  if (found.kind === "absent") return problem("missing", "there is no such page");
  if (found.kind === "odd") return problem("no-file", found.reason, true);
  if (found.kind === "unreadable")
    return [{ kind: "unreadable", place, detail: found.reason, mend: undefined }];
  const copies = await lookAtCopies(audit, place, found, { kind, key });
  if (sha256 === undefined) return copies;
  try {
    if ((await tree.hash(place)) === sha256) return copies;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return [{ kind: "unreadable", place, detail, mend: undefined }];
  }
  return problem("stale", "it does not say what the database says");
}
