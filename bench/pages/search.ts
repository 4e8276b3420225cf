/**
 * How long does somebody who types wait for the search, at the size of PyPI? A real Chromium against the built-in
 * server, with made-up names; and what the lists cost the master to write. A part of the bench `pages`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { writeSearchPages } from "../../actors/master/site/search-pages.ts";
import type { Desk } from "../../actors/master/site/writer.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { chromiumOptions, chromiumPath } from "../../test/support/chromium.ts";
import { siteAssets } from "../../web/assets.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { startWebServer } from "../../web/server.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { type Findings, median } from "../frame.ts";
import { costOf, madeUpNames, PROJECTS } from "./root.ts";

/** One letter, a few, a whole name, and what hardly anything or nothing has. */
const QUERIES = ["p", "py", "py-data", "ata", "-api-", "graph-kit", "zz", "no-such-name"];
const TRIES = 9;
const PATIENCE_MS = 120_000;

export async function measureSearch(signal: AbortSignal): Promise<Findings> {
  if (chromiumPath === undefined) throw new Error("no Chromium is installed: apt install chromium");
  const output = await mkdtemp(join(tmpdir(), "bench-search-"));
  const storage = await openLocalStorage(output);
  for (const { key, contents } of siteAssets) await storage.replace(key, contents);
  const server = await startWebServer({
    address: "http://127.0.0.1:0",
    outputPath: output,
    log: silentLogger,
  });
  const browser = await chromium.launch({ ...chromiumOptions, executablePath: chromiumPath });
  try {
    const desk: Desk = {
      ask: namesInStretches() as unknown as Desk["ask"],
      storage,
      site: { name: "Wheelwright", url: server.url },
      root: new RootIndex(storage),
    };
    const writing = await costOf(() => writeSearchPages(desk, [""]));
    const page = await browser.newPage();
    await page.goto(new URL("packages.html", server.url).href);
    const startedAt = performance.now();
    await page.fill("#q", "data");
    await page.locator("#results a").first().waitFor({ timeout: PATIENCE_MS });
    const firstMs = performance.now() - startedAt;
    const waits: [query: string, median: number, worst: number][] = [];
    for (const query of QUERIES) {
      signal.throwIfAborted();
      const tries = await waitsFor(page, query);
      waits.push([query, median(tries), Math.max(...tries)]);
    }
    const slowest = Math.max(...waits.map(([, middle]) => middle));
    return {
      tables: [
        {
          title: `The search among ${PROJECTS.toLocaleString("en")} names, in Chromium`,
          head: ["typed", "results after ms: median", "worst"],
          rows: [
            ["the first letters: lists fetched, read, searched", firstMs.toFixed(0), ""],
            ...waits.map(([query, middle, worst]) => [query, middle.toFixed(1), worst.toFixed(1)]),
          ],
        },
        {
          title: "What writing its lists costs the master",
          head: ["processor ms", "wall ms", "event loop held ms"],
          rows: [[writing.processorMs, writing.wallMs, writing.holdMs].map((ms) => ms.toFixed(0))],
        },
      ],
      notes: [
        "From a key's press until the results are in the page, with the worker's search between.",
      ],
      figures: {
        searchFirstMs: Math.round(firstMs),
        searchSlowestMs: Math.round(slowest),
        searchWriteWallMs: Math.round(writing.wallMs),
      },
      aims: [],
    };
  } finally {
    await browser.close();
    await server.close();
    await rm(output, { recursive: true, force: true });
  }
}

/** As the database would give them. */
function namesInStretches() {
  const rows = madeUpNames().map((name, at) => [name, (at * 7_919) % 1_000, at % 99_999] as const);
  let next = 0;
  return async (_question: string, { limit }: { limit: number }) => {
    next += limit;
    return rows.slice(next - limit, next);
  };
}

/** In ms, each from an empty field. */
async function waitsFor(page: Page, query: string): Promise<number[]> {
  return page.evaluate<number[]>(`(${TYPE_AND_WAIT})(${JSON.stringify({ query, tries: TRIES })})`);
}

// As text: this program knows no types of a page.
const TYPE_AND_WAIT = `async ({ query, tries }) => {
  const input = document.getElementById("q");
  const list = document.getElementById("results");
  const type = (text) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
  };
  const waits = [];
  for (let at = 0; at < tries; at += 1) {
    type("");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedAt = performance.now();
    const shown = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (!list.dataset.query) return;
        observer.disconnect();
        resolve();
      });
      observer.observe(list, { attributes: true });
    });
    type(query);
    await shown;
    waits.push(performance.now() - startedAt);
  }
  return waits;
}`;
