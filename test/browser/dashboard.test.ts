/**
 * The dashboard in a real browser, before a real master with real slaves and builds: what is shown is what the database and
 * the processes say, by itself and after a cut; who may look and order; hostile texts; for everybody.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { DatabaseMessages } from "../../db/requests.ts";
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { logKey } from "../../web/public-key.ts";
import {
  accessibilityFaults,
  browserMissing,
  browserNote,
  isTooWide,
  keepScreenshot,
  type PageOptions,
  phone,
  useBrowser,
} from "../support/browser.ts";
import { LocalMaster } from "../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { hostile } from "./farm-site.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const patience = { timeout: 60_000, interval: 100 };

/** A build that says a line, then waits for a file to be there. */
const held = (version: string, gate: string, line: string) =>
  slowSdist({
    name: "tide",
    version,
    before: `import os\nprint(${JSON.stringify(line)}, flush=True)\nwhile not os.path.exists(${JSON.stringify(gate)}): time.sleep(0.05)\nprint("the gate of ${version} is open", flush=True)`,
  });

const quick = (name: string) => slowSdist({ name, version: "1.0" });
const failing = (name: string) =>
  slowSdist({
    name,
    version: "1.0",
    before: `raise SystemExit(${JSON.stringify(`error: ${hostile}`)})`,
  });

const pages = [
  ["overview", "/farm/"],
  ["slaves", "/farm/slaves"],
  ["slave", "/farm/slaves/1"],
  ["queue", "/farm/queue?package=tide"],
  ["builds", "/farm/builds"],
  ["tasks", "/farm/tasks"],
  ["events", "/farm/events"],
] as const;

/** Stands before the site and can be cut. */
class Passage {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  isCut = false;

  constructor(port: number) {
    this.#server = createServer((inner) => {
      if (this.isCut) return void inner.destroy();
      const outer = connect(port, "127.0.0.1");
      for (const [one, other] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => undefined);
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }
  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }
  cut(): void {
    this.isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }
  close(): void {
    this.cut();
    this.#server.close();
  }
}

describe.skipIf(browserMissing !== undefined)(`the dashboard${browserNote}`, () => {
  const browser = useBrowser();
  const folder = mkdtempSync(join(tmpdir(), "ww-dashboard-"));
  const gate = (version: string) => join(folder, `gate-${version}`);
  const open = (version: string) => writeFileSync(gate(version), "");
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let master: LocalMaster;
  let url: string;
  let watcher: string;
  let controller: string;

  beforeAll(async () => {
    if (browserMissing !== undefined) return;
    database = await createTestDatabase();
    upstream = await startSampleUpstream({
      files: [...["kelp", "limpet", "urchin"].map(quick), failing("barnacle")],
    });
    master = await LocalMaster.start({
      dsn: database.dsn,
      upstream,
      dashboard: "token",
      slaves: 2,
      labelOf: (number) => (number === 1 ? "slave-1" : `shed ${hostile}`),
    });
    const address = await master.system.ref<ToHttp>("/services/web/http").ask("ADDRESS");
    url = address.url ?? "";
    await master.untilIdle(4);
    watcher = await token("looker", "watch");
    controller = await token("ops", "control");
  });
  afterAll(async () => {
    if (browserMissing !== undefined) return;
    for (const version of ["1.0", "2.0", "3.0"]) open(version);
    await master.end();
    await upstream.close();
    await database.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A token as `piw token create` makes one. */
  async function token(name: string, right: "watch" | "control", lifetimeMs: number | null = null) {
    const text = `piw_${randomBytes(32).toString("base64url")}`;
    const sha256 = createHash("sha256").update(text).digest("hex");
    await master.system
      .ref<DatabaseMessages>("/database/seraph")
      .ask("createToken", { name, right, sha256, lifetimeMs });
    return text;
  }

  const countOf = async (query: string): Promise<number> => {
    const [row] = await database.sql.unsafe<{ n: number }[]>(query);
    return Number(row?.n);
  };

  /** A page as whoever has a token comes to it. */
  async function visit(path: string, text: string, options: PageOptions = {}, site = url) {
    const opened = await browser.open(
      `${site}/farm/login?next=${encodeURIComponent(path)}`,
      options,
    );
    await opened.page.fill("#token", text);
    await opened.page.click("text=Log in >> visible=true >> nth=-1");
    await opened.page.waitForURL(`${site}${path}`);
    return opened;
  }

  const rowsOf = (page: Page, list: string): Promise<string[]> =>
    page.locator(`[data-list="${list}"] > *`).allInnerTexts();
  const isLive = (page: Page) =>
    expect.poll(() => page.locator("#live").innerText(), patience).toBe("live");
  const hasRow = (page: Page, list: string, ...words: string[]) =>
    expect
      .poll(async () => {
        const rows = await rowsOf(page, list);
        return rows.filter((row) => words.every((word) => row.includes(word))).length;
      }, patience)
      .toBe(1);

  test("shows the figures of the database", async () => {
    const { page, complaints } = await visit("/farm/", watcher);
    const shown = async (figure: string) =>
      Number((await page.locator(`[data-figure="${figure}"]`).innerText()).replaceAll(",", ""));
    const ended = "select count(*) n from build where settled_at is not null";
    const expected = {
      builds: await countOf(ended),
      buildsLastHour: await countOf(ended),
      failuresLastHour: await countOf(`${ended} and cause <> 'built'`),
      files: await countOf("select count(*) n from file where placed_at is not null"),
      packages: await countOf(
        "select count(distinct package_id) n from version join file on version_id = version.id",
      ),
      slaves: await countOf("select count(*) n from slave"),
      ready: 0,
      building: 0,
    };
    expect(expected).toMatchObject({ builds: 4, failuresLastHour: 1, files: 3, slaves: 2 });
    for (const [figure, count] of Object.entries(expected))
      await expect.poll(() => shown(figure), patience).toBe(count);
    await isLive(page);
    // Each plot has a curve, of figures that the history has.
    await expect.poll(() => page.locator(".live-plot canvas").count(), patience).toBe(6);
    await expect
      .poll(() => page.locator(".live-plot .canvas").first().getAttribute("aria-label"), patience)
      .toMatch(/^Queue, the last hour\. Queued: from .* at the end/);
    for (const span of ["day", "week", "year"]) {
      await page.click(`button[data-span="${span}"]`);
      expect(await page.getAttribute(`button[data-span="${span}"]`, "aria-pressed")).toBe("true");
    }
    expect(complaints).toEqual([]);
  });

  test("a build appears as it is given out, says its log as it is said, and ends", async () => {
    const { page, complaints } = await visit("/farm/builds", watcher);
    await isLive(page);
    upstream.publish(held("1.0", gate("1.0"), "the tide comes in"));
    await hasRow(page, "building", "tide 1.0");
    await keepScreenshot(page, "dashboard-building");
    await page.locator('[data-list="building"] a:text-is("log")').click();
    const log = page.locator("#live-log");
    await expect.poll(() => log.innerText(), patience).toContain("the tide comes in");
    expect(await page.locator("#build-facts").innerText()).toContain("building");
    expect(await log.innerText()).not.toContain("is open");
    open("1.0");
    await expect.poll(() => log.innerText(), patience).toContain("the gate of 1.0 is open");
    await expect
      .poll(() => page.locator("#log-state").innerText(), patience)
      .toBe("That is the end of it.");
    expect(await page.locator("#build-facts").innerText()).toContain("built for");
    await keepScreenshot(page, "dashboard-log");
    await page.goto(`${url}/farm/builds`);
    await hasRow(page, "ended", "tide 1.0", "built");
    expect(await rowsOf(page, "building")).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("a cut stream goes on where it was: no build and no line of a log is lost or doubled", async () => {
    const proxy = new Passage(Number(new URL(url).port));
    const near = await proxy.start();
    try {
      const { page: builds } = await visit("/farm/builds", watcher, {}, near);
      upstream.publish(held("2.0", gate("2.0"), "the tide comes again"));
      await hasRow(builds, "building", "tide 2.0");
      const token = await countOf("select token n from lease");
      const { page } = await visit(`/farm/builds/${token}`, watcher, {}, near);
      const log = page.locator("#live-log");
      await expect.poll(() => log.textContent(), patience).toContain("the tide comes again");
      proxy.cut();
      await expect.poll(() => builds.locator("#live").innerText(), patience).toMatch(/^cut off/);
      open("2.0");
      await master.untilIdle(6);
      expect(await rowsOf(builds, "building")).toHaveLength(1);
      proxy.isCut = false;
      await isLive(builds);
      await hasRow(builds, "ended", "tide 2.0", "built");
      expect(await rowsOf(builds, "building")).toEqual([]);
      await expect
        .poll(() => page.locator("#log-state").innerText(), patience)
        .toBe("That is the end of it.");
      const placed = gunzipSync(readFileSync(join(master.folder, "www", logKey(token))));
      expect(await log.textContent()).toBe(placed.toString());
    } finally {
      proxy.close();
    }
  });

  test("an order of a token that may is asked about, carried out, shown and kept", async () => {
    const { page, complaints } = await visit("/farm/slaves", controller);
    await isLive(page);
    const row = page.locator('[data-list="slaves"] > tr', {
      has: page.locator('a:text-is("slave-1")'),
    });
    const [{ id } = { id: 0 }] = await database.sql<{ id: number }[]>`
      select id from slave where label = 'slave-1'`;
    const asleep = async () =>
      (await database.sql`select 1 from slave where id = ${id} and asleep_by = 'person'`).length;

    // Whoever thinks better of it has done nothing.
    const sleep = row.locator("button", { hasText: "Sleep" });
    await sleep.focus();
    await page.keyboard.press("Enter");
    const dialog = page.locator("#confirm");
    expect(await dialog.innerText()).toContain("Put slave-1 to sleep?");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("No");
    await page.keyboard.press("Escape");
    await expect.poll(() => dialog.isVisible()).toBe(false);
    expect(await asleep()).toBe(0);

    await sleep.focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await keepScreenshot(page, "dashboard-confirm");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("#answers").innerText(), patience).toContain("done");
    await expect.poll(() => row.innerText(), patience).toContain("asleep");
    expect(await asleep()).toBe(1);
    await row.locator("button", { hasText: "Wake" }).click();
    await expect.poll(() => row.innerText(), patience).toContain("idle");
    expect(await asleep()).toBe(0);

    const kept = await database.sql<{ by: string; what: string; is_done: boolean }[]>`
      select ordered_by as by, what, is_done from control_order order by id`;
    expect(kept.map(({ by, is_done }) => [by, is_done])).toEqual([
      ["token ops (dashboard)", true],
      ["token ops (dashboard)", true],
    ]);
    await page.goto(`${url}/farm/events`);
    await expect
      .poll(async () => (await rowsOf(page, "notes")).join("\n"), patience)
      .toContain(kept[0]?.what ?? "?");
    expect(await page.locator("main").innerText()).toContain("token ops (dashboard)");
    expect(complaints).toEqual([]);
  });

  test("who may look sees no orders; who has no token, sees the login alone", async () => {
    const { page, complaints } = await visit("/farm/tasks", watcher);
    await hasRow(page, "tasks", "seraph", "running");
    expect(await page.locator("button[data-order]").count()).toBe(0);
    expect(complaints).toEqual([]);

    const stranger = await browser.open(`${url}/farm/slaves`);
    expect(new URL(stranger.page.url()).pathname).toBe("/farm/login");
    await stranger.page.fill("#token", `piw_${"x".repeat(43)}`);
    await stranger.page.keyboard.press("Enter");
    await expect
      .poll(() => stranger.page.locator("[role=alert]").innerText())
      .toContain("valid token");
    expect(await stranger.context.cookies()).toEqual([]);
  });

  test("a token that is revoked while a page is open leads to the login", async () => {
    const text = await token("leaver", "watch");
    const { page } = await visit("/farm/", text);
    await isLive(page);
    await master.system
      .ref<DatabaseMessages>("/database/seraph")
      .ask("revokeToken", { name: "leaver" });
    await page.waitForURL(`${url}/farm/login?next=%2Ffarm%2F`, { timeout: 60_000 });
  });

  test("the site stands while the dashboard has crashed, and its pages come back by themselves", async () => {
    const { page } = await visit("/farm/builds", watcher);
    await isLive(page);
    expect(master.system.crash("/services/web/dashboard", new Error("a fault of the test"))).toBe(
      true,
    );
    expect((await fetch(`${url}/simple/`)).status).toBe(200);
    upstream.publish(held("3.0", gate("3.0"), "the tide"));
    await hasRow(page, "building", "tide 3.0");
    open("3.0");
    await hasRow(page, "ended", "tide 3.0", "built");
    // What pip says of it is what the next tests look at.
    upstream.publish(failing("cockle"));
    await hasRow(page, "ended", "cockle 1.0", "build failed");
    await isLive(page);
  });

  describe.each([
    ["on a desk", {}],
    ["on a dark desk", { colorScheme: "dark" }],
    ["on a phone", { size: phone }],
  ] as const)("%s", (where, options) => {
    test("the pages run nothing of hostile texts, and have no faults", async () => {
      const { page, complaints } = await visit("/farm/", controller, options);
      for (const [name, path] of pages) {
        await page.goto(`${url}${path}`);
        await isLive(page);
        if (path === "/farm/tasks") await hasRow(page, "tasks", "seraph");
        const plots = await page.locator(".live-plot").count();
        await expect
          .poll(
            () => page.locator(".live-plot .canvas canvas, .live-plot p:visible").count(),
            patience,
          )
          .toBe(plots);
        expect(await accessibilityFaults(page), name).toEqual([]);
        expect(await isTooWide(page), name).toBe(false);
        expect(await page.locator("main img, main script").count(), name).toBe(0);
        await keepScreenshot(page, `dashboard-${name} ${where}`);
      }
      await page.goto(`${url}/farm/slaves`);
      expect((await rowsOf(page, "slaves")).join("\n")).toContain(`shed ${hostile}`);
      await page.goto(`${url}/farm/builds`);
      expect((await rowsOf(page, "ended")).join("\n")).toContain(hostile.slice(0, 30));
      await page
        .locator('[data-piece^="ended/"]', { hasText: "cockle" })
        .locator("a", { hasText: "log" })
        .click();
      await expect
        .poll(() => page.locator("#log-state").innerText(), patience)
        .toBe("That is the end of it.");
      expect(await page.locator("#live-log").textContent()).toContain(`error: ${hostile}`);
      expect(await accessibilityFaults(page), "a log").toEqual([]);
      expect(await isTooWide(page), "a log").toBe(false);
      expect(complaints).toEqual([]);
    });
  });
});
