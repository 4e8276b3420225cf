/** The farm's own pages, lists and descriptions, as functions of what they are given. */

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { SaxesParser } from "saxes";
import { afterEach, describe, expect, test } from "vitest";
import { writeSearchPages } from "../../actors/master/site/search-pages.ts";
import type { Desk } from "../../actors/master/site/writer.ts";
import type { HomePage, QueuePage, RecentBuild } from "../../protocol/model/farm-page.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { renderFarmFeed } from "../../web/pages/farm-feeds.ts";
import { renderFarmJson } from "../../web/pages/farm-json.ts";
import { renderJsonPage } from "../../web/pages/json-page.ts";
import { renderOpenApi, schemas } from "../../web/pages/openapi.ts";
import { namesPages, renderPackagesPage } from "../../web/pages/packages-page.ts";
import { renderQueuePage } from "../../web/pages/queue-page.ts";
import { sitemapKeys, sitemaps } from "../../web/pages/sitemap.ts";
import * as words from "../../web/pages/words.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const hostile = `"'><img src=x onerror=alert(1)></title><script>alert(1)</script>\u{0}&`;
const at = Date.parse("2024-03-09T14:05:07Z");

const build: RecentBuild = {
  token: 7,
  package: "tidepool",
  version: "1.4.0",
  target: "cp311-linux_x86_64",
  cause: "build-failed",
  message: hostile,
  endedAt: at,
  durationMs: 94_230,
  logToken: 7,
};
const home: HomePage = {
  asOf: at,
  packages: 1,
  versionsBuilt: 2,
  files: 3,
  filesSizeBytes: 4,
  queue: { ready: 5, leased: 6, waiting: 7, blocked: 8 },
  failed: 9,
  buildsLastHour: 10,
  newVersionsLastHour: 11,
  slaves: 12,
  downloads: { last30Days: 13, ever: 14 },
  recentBuilds: [build, { ...build, token: 6, logToken: null, cause: "built", message: "" }],
  day: [],
  downloadsByDay: [],
};

/** Of every list of names, whichever page it is on. */
const allNames = (names: readonly string[]) => [...namesPages(names)].flatMap((page) => page.names);
const manyNames = (count: number, start = "") =>
  Array.from({ length: count }, (_, index) => `${start}${index.toString(36)}`).sort();

describe("names by their letters", () => {
  test("are on one page where they are few", () => {
    const pages = [...namesPages(manyNames(1_000))];
    expect(pages).toHaveLength(1);
    expect(pages[0]?.names).toHaveLength(1_000);
  });

  test("are on pages of a thousand at most, each once, where they are many", () => {
    const names = [...new Set([...manyNames(30_000), ...manyNames(5_000, "py"), "py"])].sort();
    const pages = [...namesPages(names)];
    expect(
      Math.max(...pages.map((page) => page.names.length + page.parts.length)),
    ).toBeLessThanOrEqual(1_000);
    expect(allNames(names).sort()).toEqual(names);
    const linked = pages.flatMap((page) => page.parts.map(({ prefix }) => prefix));
    expect(linked.sort()).toEqual(
      pages
        .slice(1)
        .map(({ prefix }) => prefix)
        .sort(),
    );
  });

  test("of a few that agree in many letters end somewhere", () => {
    const names = manyNames(3_000, "a".repeat(150));
    expect(allNames(names).sort()).toEqual(names);
    expect([...namesPages(names)].length).toBeLessThan(20);
  });

  test("of a farm without wheels are none", () => {
    const [all] = namesPages([]);
    if (all === undefined) throw new Error("no page");
    expect(renderPackagesPage(all, 0, [], site)).toContain("There is no wheel here yet.");
  });
});

describe("what a search leaves", () => {
  let folder = "";
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("is all names in stretches, and no list that nothing leads to", async () => {
    folder = await makeScratchFolder();
    const storage = await openLocalStorage(folder);
    let names = manyNames(41_000, "p");
    const desk: Desk = {
      ask: (async (_name: string, { after, limit }: { after: string; limit: number }) =>
        names
          .filter((name) => name > after)
          .slice(0, limit)
          .map((name, index) => [name, index, index])) as unknown as Desk["ask"],
      storage,
      site,
      root: new RootIndex(storage),
    };
    await writeSearchPages(desk, [""]);
    expect(await read(storage, "packages.json")).toEqual(
      names.map((name, index) => [name, index % 20_000, index % 20_000]),
    );
    const lists = (await readdir(join(folder, "packages"))).filter((name) =>
      name.endsWith(".html"),
    );
    expect(lists.length).toBe([...namesPages(names)].length - 1);
    expect(lists.length).toBeGreaterThan(40);

    names = manyNames(3, "q");
    await writeSearchPages(desk, [""]);
    expect(await read(storage, "packages.json")).toHaveLength(3);
    expect(
      (await readdir(join(folder, "packages"))).filter((name) => name.endsWith(".html")),
    ).toEqual([]);

    names = [];
    await writeSearchPages(desk, [""]);
    expect(await read(storage, "packages.json")).toEqual([]);
  });
});

async function read(
  storage: Awaited<ReturnType<typeof openLocalStorage>>,
  key: string,
): Promise<unknown> {
  const file = await storage.open(key);
  if (file === undefined) throw new Error(`${key} is not there`);
  const pieces: Buffer[] = [];
  for await (const piece of file.read()) pieces.push(piece as Buffer);
  return JSON.parse(Buffer.concat(pieces).toString());
}

describe("sitemaps", () => {
  test("have at most 50,000 links each, and every project once", () => {
    const names = manyNames(120_000);
    const files = [...sitemaps(names, site)];
    const index = files.at(-1)?.contents ?? "";
    const keys = [...index.matchAll(/<loc>https:\/\/farm\.example\/([^<]+)</g)].map(
      ([, key]) => key,
    );
    expect(keys).toEqual(sitemapKeys(names.length));
    const links = files.slice(0, -1).map(({ contents }) => [...contents.matchAll(/<loc>/g)].length);
    expect(Math.max(...links)).toBe(50_000);
    const projects = files
      .slice(0, -1)
      .flatMap(({ contents }) => [...contents.matchAll(/\/project\/([^/]+)\//g)]);
    expect(projects).toHaveLength(names.length);
    for (const { contents } of files) new SaxesParser().write(contents).close();
  });
});

describe("feeds", () => {
  test.for(["builds", "failures"] as const)(
    "of %s are well-formed, whatever a build says",
    (kind) => {
      const feed = renderFarmFeed(kind, home.recentBuilds, site);
      const names: string[] = [];
      const parser = new SaxesParser({ xmlns: true });
      parser.on("opentag", ({ local }) => names.push(local));
      parser.on("error", (error) => {
        throw error;
      });
      parser.write(feed).close();
      expect(names.filter((name) => name === "entry")).toHaveLength(2);
      expect(names).not.toContain("script");
      expect(feed).toContain("<id>https://farm.example/feeds/builds.xml#build-7</id>");
      expect(feed).toContain("<updated>2024-03-09T14:05:07.000Z</updated>");
    },
  );
});

describe("the description of the API", () => {
  test("is OpenAPI, by its own schema", async () => {
    const validator = new Validator();
    expect(await validator.validate(renderOpenApi(site))).toMatchObject({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("names every member of farm.json, and none that is not there", () => {
    const farm = JSON.parse(renderFarmJson(home)) as Record<string, unknown>;
    const membersOf = (name: string) =>
      Object.keys((schemas[name] as { properties: object }).properties);
    expect(Object.keys(farm).sort()).toEqual(membersOf("Farm").sort());
    const [first] = farm["recent_builds"] as object[];
    expect(Object.keys(first ?? {}).sort()).toEqual(membersOf("Build").sort());
  });

  test("is on its page in words", () => {
    const page = renderJsonPage(site);
    for (const shown of ["/farm.json", "queue.ready", "recent_builds", "list of", 'href="#Build"'])
      expect(page).toContain(shown);
  });
});

describe("the queue page", () => {
  const queue: QueuePage = {
    asOf: at,
    rule: "newest",
    queue: { ready: 250, leased: 1, waiting: 0, blocked: 0 },
    building: [],
    blockers: [],
    retries: [],
    targets: [
      {
        target: hostile,
        ready: 250,
        leased: 1,
        slaves: 2,
        buildsPerHour: 10,
        next: Array.from({ length: 100 }, (_, index) => ({
          package: `kelp-${index}`,
          version: hostile,
          priority: index === 0 ? 5 : 0,
          releasedAt: index === 1 ? null : at,
          popularity: 0,
        })),
      },
    ],
  };

  test("says why a build has its place, and about when it comes", () => {
    const page = renderQueuePage(queue, site);
    const rows = page.match(/<tr><td class="number">.*/g) ?? [];
    expect(rows).toHaveLength(100);
    expect(rows[0]).toContain("<td>priority 5</td><td>now</td>");
    expect(rows[1]).toContain("<td>no date of release</td><td>in about 10 min</td>");
    expect(rows[10]).toContain("<td>released 2024-03-09</td><td>in about 60 min</td>");
    expect(rows[99]).toContain("<td>in about 10 h</td>");
    expect(page).toContain("the last of them in about 25 h");
    expect(page).toContain("The first 100");
    expect(page).not.toMatch(/<img src=x|<script(?! type="module" src="\/assets)/);
  });

  test("does not guess where nothing is built", () => {
    const [target] = queue.targets;
    if (target === undefined) throw new Error("no target");
    const still = { ...target, slaves: 0, buildsPerHour: null };
    const page = renderQueuePage({ ...queue, targets: [still] }, site);
    expect(page).toContain("No slave builds for it now.");
    expect(page).not.toContain("in about");
  });
});

describe("scripts", () => {
  test("use the words of the pages", async () => {
    const script = (await import(
      new URL("../../web/scripts/words.js", import.meta.url).href
    )) as typeof words;
    for (const value of [
      0,
      1,
      59,
      999,
      1_000,
      9_949,
      9_950,
      59_999,
      3_600_000,
      12_345_678,
      2 ** 45,
    ]) {
      expect(script.countText(value)).toBe(words.countText(value));
      expect(script.sizeText(value)).toBe(words.sizeText(value));
      expect(script.durationText(value)).toBe(words.durationText(value));
      expect(script.instantText(value)).toBe(words.instantText(value));
    }
  });
});
