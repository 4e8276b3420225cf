/** The farm's own pages in a real browser: figures as the database has them, kept up to date, for everybody. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  accessibilityFaults,
  browserMissing,
  browserNote,
  isTooWide,
  keepScreenshot,
  phone,
  useBrowser,
} from "../support/browser.ts";
import { run } from "../support/queue-fixture.ts";
import {
  type FarmSite,
  hostile,
  rememberDownloads,
  rememberYear,
  startFarmSite,
} from "./farm-site.ts";

const names = ["tide-pool", "tide", "riptide", "kelp", "sea-star", "barnacle", "limpet", "urchin"];
const pages = [
  ["home", "/"],
  ["packages", "/packages.html"],
  ["queue", "/queue.html"],
  ["stats", "/stats.html"],
  ["faq", "/faq.html"],
  ["json", "/json.html"],
] as const;

describe.skipIf(browserMissing !== undefined)(`the pages of the farm${browserNote}`, () => {
  const browser = useBrowser();
  let farm: FarmSite;

  beforeAll(async () => {
    farm = await startFarmSite();
    await farm.know(names);
    for (let built = 0; built < 4; built += 1) await farm.build();
    await farm.build("build-failed", hostile);
    await farm.build("dependency-missing", hostile, ["coral-reef>=2"]);
    await farm.build("out-of-memory", "the slave had 512 MB");
    await rememberYear(farm.sql);
    await rememberDownloads(farm.sql);
    await farm.write("home");
    await farm.write("search");
  }, 60_000);
  afterAll(() => farm.end());

  const withoutSpace = (text: string | null) => (text ?? "").replaceAll(/\s+/g, "");
  const figure = async (
    page: { locator(by: string): { textContent(): Promise<string | null> } },
    name: string,
  ) => page.locator(`[data-figure="${name}"]`).textContent();

  test.for(pages)(
    "%s has no faults for whoever cannot see it, in light and in dark, and fits a phone",
    async ([name, path]) => {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, complaints } = await browser.open(new URL(path, farm.url).href, {
          colorScheme,
        });
        expect(await accessibilityFaults(page)).toEqual([]);
        expect(complaints).toEqual([]);
        await keepScreenshot(page, `${name}-${colorScheme}`);
      }
      const { page, complaints } = await browser.open(new URL(path, farm.url).href, {
        size: phone,
      });
      expect(await isTooWide(page)).toBe(false);
      expect(await accessibilityFaults(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await keepScreenshot(page, `${name}-phone`);
    },
  );

  test.for(pages)(
    "%s is whole without JavaScript, and all its links lead somewhere",
    async ([, path]) => {
      const { page } = await browser.open(new URL(path, farm.url).href, { javaScript: false });
      expect(await page.locator("h1").count()).toBe(1);
      const links = await page.locator("a[href^='/']").all();
      const hrefs = new Set<string>();
      for (const link of links) hrefs.add((await link.getAttribute("href")) ?? "");
      // Pages of projects, the index and logs are written by others.
      for (const href of [...hrefs].filter((each) => !/^\/(project|simple|logs)\//.test(each))) {
        const answer = await page.request.get(new URL(href, farm.url).href);
        expect(`${answer.status()} ${href}`).toBe(`200 ${href}`);
      }
    },
  );

  test("the home page shows what the database counts", async () => {
    const { page } = await browser.open(farm.url, { javaScript: false });
    const view = await run(farm.sql, "homePage", null);
    expect(view).toMatchObject({
      packages: 4,
      files: 4,
      failed: 1,
      queue: { leased: 0, waiting: 1 },
    });
    expect(await figure(page, "packages")).toBe("4");
    expect(await figure(page, "failed")).toBe("1");
    expect(await figure(page, "queue.waiting")).toBe("1");
    expect(await figure(page, "queue.blocked")).toBe("1");
    expect(await figure(page, "queue.ready")).toBe(String(view.queue.ready));
    expect(await figure(page, "builds_last_hour")).toBe("7");
    expect(await page.locator("#builds tbody tr").count()).toBe(7);
  });

  test("the home page says by script what it said before", async () => {
    const { page } = await browser.open(farm.url, { javaScript: false });
    const before = await page.locator("main").textContent();
    const live = await browser.open(farm.url);
    // Rows that the script makes itself, not those that it finds.
    await live.page.evaluate("document.querySelector('#builds tbody').replaceChildren()");
    await live.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    await live.page.locator("#builds tbody tr").nth(6).waitFor();
    await live.page.locator("#live").filter({ hasText: "Kept up to date" }).waitFor();
    await live.page.evaluate("for (const b of document.querySelectorAll('.copy')) b.remove()");
    await live.page.evaluate("document.querySelector('#live').textContent = ''");
    expect(withoutSpace(await live.page.locator("main").textContent())).toBe(withoutSpace(before));
    expect(live.complaints).toEqual([]);
  });

  test("the home page changes when a build ends, while somebody looks", async () => {
    const { page, complaints } = await browser.open(farm.url);
    const before = Number(await figure(page, "builds_last_hour"));
    const name = await farm.build("build-failed", hostile);
    await farm.write("home");
    await page
      .locator('[data-figure="builds_last_hour"]')
      .filter({ hasText: new RegExp(`^${before + 1}$`) })
      .waitFor({ timeout: 30_000 });
    const first = page.locator("#builds tbody tr").first();
    expect(await first.locator("th").textContent()).toBe(`${name} 1.0`);
    expect(await first.locator(".outcome").textContent()).toContain(hostile);
    expect(complaints).toEqual([]);
  });

  test("the queue page shows what is built, what is next, what is blocked and what is retried", async () => {
    await farm.know(["anemone"]);
    const leased = await run(farm.sql, "leaseBuild", {
      slaveId: farm.slave.slaveId,
      targetIds: farm.slave.targetIds,
      holding: [],
      leaseMs: 60_000,
      below: {},
    });
    await farm.write("home");
    const { page, complaints } = await browser.open(`${farm.url}queue.html`);
    const building = page.getByRole("region", { name: "Building now" });
    expect(await building.textContent()).toContain(`${leased?.order.package ?? "?"} 1.0`);
    expect(await building.textContent()).toContain(hostile);
    expect(await page.getByRole("region", { name: "Blocked" }).textContent()).toContain(
      "coral-reef>=2",
    );
    expect(await page.getByRole("region", { name: "To be retried" }).textContent()).toContain(
      "the slave ran out of memory",
    );
    const [row] = await farm.sql<
      { n: number }[]
    >`select count(*)::int as n from work where state = 'ready'`;
    const places = await page.locator("#next ~ details tbody tr").count();
    expect(places).toBe(row?.n);
    expect(complaints).toEqual([]);
  });

  test("the statistics count builds by how they ended", async () => {
    await farm.write("home");
    const { page } = await browser.open(`${farm.url}stats.html`, { javaScript: false });
    const rows = await farm.sql<{ cause: string; n: number }[]>`
      select cause, count(*)::int as n from build where settled_at is not null group by cause`;
    const shown = page.getByRole("region", { name: "How builds end" });
    const all = rows.reduce((sum, { n }) => sum + n, 0);
    expect(await shown.locator("tfoot td").first().textContent()).toBe(String(all));
    const failed = shown.locator("tr", { hasText: "the build failed" }).locator("td").first();
    expect(await failed.textContent()).toBe(
      String(rows.find((row) => row.cause === "build-failed")?.n),
    );
  });

  test("a command is copied with one press of a key", async () => {
    const { page, context } = await browser.open(farm.url);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy the command" }).first().press("Enter");
    await page
      .getByRole("button", { name: "Copy the command" })
      .first()
      .filter({ hasText: "Copied" })
      .waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(
      `pip install --index-url ${farm.url}simple/ PACKAGE`,
    );
  });

  test("a page that is not there is said in the site's own words", async () => {
    const { page } = await browser.open(`${farm.url}nothing.html`);
    expect(await page.locator("h1").textContent()).toBe("Nothing here");
    expect(await accessibilityFaults(page)).toEqual([]);
    await keepScreenshot(page, "not-found");
  });
});
