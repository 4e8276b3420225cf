/** The search in a real browser: as one types, by keyboard, from the address, and among many names. */

import { rm } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSearchPages } from "../../actors/master/site/search-pages.ts";
import type { Desk } from "../../actors/master/site/writer.ts";
import { siteAssets } from "../../web/assets.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import {
  accessibilityFaults,
  browserMissing,
  browserNote,
  isTooWide,
  keepScreenshot,
  phone,
  useBrowser,
} from "../support/browser.ts";
import { makeScratchFolder } from "../web/scratch-folder.ts";
import { silent } from "../web/test-site.ts";

const few: [string, number, number][] = [
  ["high-tide", 100, 400],
  ["riptide", 2_000, 9_000],
  ["tide", 5, 50],
  ["tide-pool", 900, 1_000],
  ["tidewater", 1, 20],
];
const many = Array.from({ length: 30_000 }, (_, index): [string, number, number] => [
  `name${index.toString(36)}`,
  index % 7,
  index % 11,
]);
const rows = [...few, ...many].sort(([one], [other]) => (one < other ? -1 : 1));

describe.skipIf(browserMissing !== undefined)(`the search${browserNote}`, () => {
  const browser = useBrowser();
  let output: string;
  let storage: Storage;
  let server: WebServer;
  const at = (path: string) => new URL(path, server.url).href;
  const results = (page: Page) => page.locator("#results a");
  const named = async (page: Page, names: readonly string[]) =>
    expect.poll(() => results(page).allTextContents(), { timeout: 20_000 }).toEqual(names);

  beforeAll(async () => {
    output = await makeScratchFolder();
    storage = await openLocalStorage(output);
    for (const { key, contents } of siteAssets) await storage.replace(key, contents);
    server = await startWebServer({
      address: "http://127.0.0.1:0",
      outputPath: output,
      log: silent,
    });
    const ask = async (_name: string, { after, limit }: { after: string; limit: number }) =>
      rows.filter(([name]) => name > after).slice(0, limit);
    await writeSearchPages(
      {
        ask: ask as unknown as Desk["ask"],
        storage,
        site: { name: "Wheelwright", url: server.url },
        root: new RootIndex(storage),
      },
      [""],
    );
    await storage.replace(
      "project/tide-pool/index.html",
      "<title>tide-pool</title><h1>tide-pool</h1>",
    );
    await storage.replace("project/tide/index.html", "<title>tide</title><h1>tide</h1>");
  }, 60_000);
  afterAll(async () => {
    await server.close();
    await rm(output, { recursive: true, force: true });
  });

  test("shows what it finds as one types, in every spelling, and has no faults", async () => {
    const { page, complaints } = await browser.open(at("packages.html"));
    await page.locator("#q").pressSequentially("Tide");
    await named(page, ["tide", "tide-pool", "tidewater", "high-tide", "riptide"]);
    expect(await page.locator("#said").textContent()).toBe("5 packages");
    expect(await page.locator("#browse").isHidden()).toBe(true);
    expect(await accessibilityFaults(page)).toEqual([]);
    await keepScreenshot(page, "search");
    await page.locator("#q").fill("tide_POOL");
    await named(page, ["tide-pool"]);
    await page.locator("#q").fill("");
    await named(page, []);
    expect(await page.locator("#browse").isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("works by keyboard alone", async () => {
    const { page, complaints } = await browser.open(at("packages.html"));
    await page.keyboard.press("/");
    await page.keyboard.type("tide");
    await named(page, ["tide", "tide-pool", "tidewater", "high-tide", "riptide"]);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.waitForURL(at("project/tide-pool/"));
    await page.goBack();
    await page.locator("#q").press("Escape");
    expect(await page.locator("#q").inputValue()).toBe("");
    await page.keyboard.type("tide");
    // Before there are results: they are waited for.
    await page.keyboard.press("Enter");
    await page.waitForURL(at("project/tide/"));
    // The little pages of projects that this test writes have no icon.
    expect(complaints.filter((complaint) => !/favicon|404/.test(complaint))).toEqual([]);
  });

  test("is in the address, and found again from it", async () => {
    const { page } = await browser.open(at("packages.html?q=tide-p"));
    await named(page, ["tide-pool"]);
    await page.locator("#q").fill("riptide");
    await page.waitForURL(at("packages.html?q=riptide"));
    await page.reload();
    await named(page, ["riptide"]);
  });

  test("shows fifty of many, and says so", async () => {
    const { page } = await browser.open(at("packages.html"), { size: phone });
    await page.locator("#q").fill("name");
    await expect.poll(() => results(page).count(), { timeout: 20_000 }).toBe(50);
    expect(await page.locator("#said").textContent()).toContain("The first 50 packages");
    expect(await isTooWide(page)).toBe(false);
    await keepScreenshot(page, "search-phone");
  });

  test("takes markup as a name that nothing has", async () => {
    const { page, complaints } = await browser.open(
      at(`packages.html?q=${encodeURIComponent(`"><img src=x onerror=alert(1)>`)}`),
    );
    await page.locator("#said").filter({ hasText: "None of 30,005 packages" }).waitFor();
    expect(await page.locator("main img").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("without JavaScript all names are a few links away", async () => {
    const { page } = await browser.open(at("packages.html"), { javaScript: false });
    expect(await page.locator("noscript").textContent()).toContain("The search needs JavaScript");
    await page.getByRole("link", { name: "tide…", exact: true }).click();
    expect(await page.locator("ul.names a").allTextContents()).toEqual([
      "tide",
      "tide-pool",
      "tidewater",
    ]);
    await page.goBack();
    // No letter is asked for that they all have.
    await page.getByRole("link", { name: "name…", exact: true }).click();
    await page.getByRole("link", { name: "namez…", exact: true }).click();
    expect(await page.locator("ul.names a").count()).toBe(37);
    const { page: again } = await browser.open(page.url());
    expect(await accessibilityFaults(again)).toEqual([]);
  });

  test("says when the list cannot be had, and tries again", async () => {
    const { page, context } = await browser.open(at("packages.html"));
    await context.route("**/packages.json", (route) => route.abort());
    await page.locator("#q").fill("tide");
    await page.locator("#said").filter({ hasText: "Nothing can be searched" }).waitFor();
    await context.unroute("**/packages.json");
    await page.locator("#q").fill("tide-p");
    await named(page, ["tide-pool"]);
  });
});
