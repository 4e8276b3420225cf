/** A project's page and the log viewer in a real browser, as the built-in server sends them. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { siteAssets } from "../../web/assets.ts";
import { badgeOf, renderBadge } from "../../web/pages/badge.ts";
import { renderLogPage } from "../../web/pages/log-page.ts";
import { joinProjectJson, releaseJson } from "../../web/pages/project-json.ts";
import { renderProjectPage } from "../../web/pages/project-page.ts";
import {
  badgeKey,
  LOG_PAGE_KEY,
  logKey,
  projectJsonKey,
  projectPageKey,
} from "../../web/public-key.ts";
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
import {
  build,
  file,
  hostile,
  project,
  release,
  releases,
  targetNames,
} from "../web/project-fixture.ts";
import { makeScratchFolder } from "../web/scratch-folder.ts";
import { silent } from "../web/test-site.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const [first = ""] = targetNames;
const FAILED = 4_001;
const HUGE = 4_002;
const NASTY = 4_003;
const LONG = 4_004;

const ESC = "\u{1b}";
const failedLog = [
  "Building wheel",
  `${ESC}[32mCollecting seashell${ESC}[0m`,
  "10%\r50%\r100% done",
  ...Array.from({ length: 500 }, (_, index) => `compiling shell_${index}.c`),
  "src/tide.c:12:10: fatal error: moon.h: No such file or directory",
  "compilation terminated.",
  "error: command '/usr/bin/gcc' failed with exit code 1",
  "token=*** was used",
  "the end, without a line break",
].join("\n");

const nastyLog = [
  hostile,
  `${ESC}]0;title${"\u{7}"}after a title`,
  "bell \u{7} and \u{202e}turned",
  "<script>document.title = 'run'</script>",
  `javascript:alert(1) ${"x".repeat(9_000)}`,
].join("\n");

/** The markup that a hostile text would have become. */
const INTRUDERS = "img[src=x], script:not([src^='/assets/']), [onerror]";

describe.skipIf(browserMissing !== undefined)(`in a browser${browserNote}`, () => {
  const browser = useBrowser();
  let output: string;
  let storage: Storage;
  let server: WebServer;

  const page = async (name: string, head: Parameters<typeof project>[0], shown = releases) => {
    const full = project({ name, ...head });
    await storage.replace(projectPageKey(name), renderProjectPage(full, shown, site));
    const json = shown.map((each) => releaseJson(name, each, site));
    await storage.replace(projectJsonKey(name), joinProjectJson(full, json, site));
    await storage.replace(badgeKey(name), renderBadge(name, badgeOf(full, shown)));
  };
  const keepLog = async (token: number, text: string) =>
    storage.publishCompressed(logKey(token), await storage.putBlob(Buffer.from(text)));
  const logUrl = (token: number, rest = "") =>
    `${server.url}log.html?build=${token}&project=tidepool${rest}`;

  beforeAll(async () => {
    output = await makeScratchFolder();
    storage = await openLocalStorage(output);
    for (const { key, contents } of siteAssets) await storage.replace(key, contents);
    await storage.replace(LOG_PAGE_KEY, renderLogPage({ ...site, url: "" }));
    const failed = build(first, {
      state: "failed",
      cause: "build-failed",
      message: "src/tide.c:12:10: fatal error: moon.h: No such file or directory",
      logToken: FAILED,
    });
    await page("tidepool", {}, [release("2.1", { builds: [failed], files: [] }), ...releases]);
    const bad = release("1.0", {
      yanked: hostile,
      builds: [{ ...failed, message: hostile }],
      files: [file("1.0", { suspicious: hostile, requiresPython: hostile })],
    });
    await page("nasty", { displayName: hostile, summary: hostile, spellings: [hostile] }, [bad]);
    await keepLog(FAILED, failedLog);
    await keepLog(NASTY, nastyLog);
    const line = "a line of a log that goes on and on, as they do when tests are run\n";
    await keepLog(HUGE, `${line.repeat(1_000_000)}the last line: tide is out\n`);
    await keepLog(LONG, "x\n".repeat(2_000_000));
    server = await startWebServer({
      address: "http://127.0.0.1:0",
      outputPath: output,
      log: silent,
    });
  }, 60_000);
  afterAll(async () => {
    await server.close();
    await rm(output, { recursive: true, force: true });
  });

  describe("a project's page", () => {
    test.for(["light", "dark"] as const)(
      "has no fault of accessibility in %s",
      async (colorScheme) => {
        const { page: shown, complaints } = await browser.open(`${server.url}project/tidepool/`, {
          colorScheme,
        });
        await keepScreenshot(shown, `project-${colorScheme}`);
        await shown.evaluate(
          "document.querySelectorAll('details').forEach((each) => each.open = true)",
        );
        expect(await accessibilityFaults(shown)).toEqual([]);
        expect(complaints).toEqual([]);
      },
    );

    test("fits a phone", async () => {
      const { page: shown } = await browser.open(`${server.url}project/tidepool/`, { size: phone });
      await keepScreenshot(shown, "project-phone");
      await shown.evaluate(
        "document.querySelectorAll('details').forEach((each) => each.open = true)",
      );
      expect(await isTooWide(shown)).toBe(false);
    });

    test("runs nothing of hostile text, and shows it as text", async () => {
      const { page: shown, complaints } = await browser.open(`${server.url}project/nasty/`);
      expect(await shown.locator("h1").textContent()).toBe(hostile);
      expect(await shown.locator(INTRUDERS).count()).toBe(0);
      expect(complaints).toEqual([]);
    });

    test("leads to the viewer of a log, and without script to its text", async () => {
      const { page: shown } = await browser.open(`${server.url}project/tidepool/`);
      const link = shown.locator(`a[href*="build=${FAILED}"]`).first();
      expect(await link.getAttribute("href")).toBe(`/log.html?build=${FAILED}&project=tidepool`);
      await link.click();
      await shown.waitForURL(/log\.html/);
      const plain = await browser.open(`${server.url}project/tidepool/`, { javaScript: false });
      await plain.page
        .locator(`a[href="/${logKey(FAILED)}"]`)
        .first()
        .waitFor();
    });
  });

  describe("the log viewer", () => {
    const row = (number: number) => `.row:has(a[href="#L${number}"])`;

    test("shows the lines with numbers, clean, and the line that tells what went wrong", async () => {
      const { page: shown, complaints } = await browser.open(logUrl(FAILED));
      await shown.locator("#log-told").waitFor();
      expect(await shown.locator("#log-told-text").textContent()).toContain("moon.h: No such file");
      expect(await shown.locator("#log-told-line").textContent()).toBe("line 504");
      expect(await shown.locator("#log-about").textContent()).toBe(
        `tidepool 2.1 for ${first}: the build failed`,
      );
      await shown.locator(`${row(504)}.told`).waitFor();
      await shown.locator("#log-start").click();
      await shown.locator(row(1)).waitFor();
      expect(await shown.locator(`${row(2)} code`).textContent()).toBe("Collecting seashell");
      expect(await shown.locator(`${row(3)} code`).textContent()).toBe("100% done");
      await shown.locator("#log-end").click();
      expect(await shown.locator(`${row(507)} code`).textContent()).toBe("token=*** was used");
      expect(await shown.locator(`${row(508)} code`).textContent()).toContain("the end");
      expect(await shown.locator("#log-status").textContent()).toBe("508 lines.");
      expect(complaints).toEqual([]);
    });

    test.for(["light", "dark"] as const)(
      "has no fault of accessibility in %s",
      async (colorScheme) => {
        const { page: shown } = await browser.open(logUrl(FAILED, "#L500-L503"), { colorScheme });
        await shown.locator("#log-told").waitFor();
        await shown.locator(`${row(503)}.selected`).waitFor();
        expect(await accessibilityFaults(shown)).toEqual([]);
        await keepScreenshot(shown, `log-${colorScheme}`);
      },
    );

    test("fits a phone", async () => {
      const { page: shown } = await browser.open(logUrl(FAILED), { size: phone });
      await shown.locator("#log-told").waitFor();
      expect(await isTooWide(shown)).toBe(false);
      await keepScreenshot(shown, "log-phone");
    });

    test("links lines and ranges, and goes to those of its address", async () => {
      const { page: shown } = await browser.open(logUrl(FAILED, "#L120"));
      await shown.locator(`${row(120)}.selected`).waitFor();
      await shown.locator(`${row(118)} a`).click();
      expect(shown.url()).toMatch(/#L118$/);
      await shown.locator(`${row(121)} a`).click({ modifiers: ["Shift"] });
      expect(shown.url()).toMatch(/#L118-L121$/);
      expect(await shown.locator(".row.selected").count()).toBe(4);
    });

    test("can be read by keyboard alone", async () => {
      const { page: shown } = await browser.open(logUrl(FAILED));
      await shown.locator("#log-told").waitFor();
      await shown.keyboard.press("/");
      await shown.keyboard.type("shell_42");
      await shown.locator("#log-found", { hasText: "11 lines" }).waitFor();
      await shown.keyboard.press("Enter");
      await shown.keyboard.press("Escape");
      await shown.locator(".row.selected mark").waitFor();
      await shown.keyboard.press("e");
      await shown.locator(`${row(504)}.selected`).waitFor();
      await shown.keyboard.press("g");
      await shown.locator(row(1)).waitFor();
      await shown.keyboard.press("Shift+G");
      await shown.locator(row(508)).waitFor();
    });

    test("runs nothing of a hostile log, and shows what is hidden in it", async () => {
      const { page: shown, complaints } = await browser.open(logUrl(NASTY));
      await shown.locator("#log-status", { hasText: "5 lines." }).waitFor();
      expect(await shown.locator(`${row(1)} code`).textContent()).toBe(hostile);
      expect(await shown.locator(`${row(2)} code`).textContent()).toBe("after a title");
      expect(await shown.locator(`${row(3)} code`).textContent()).toBe("bell � and �turned");
      expect(await shown.locator(`${row(5)} code`).textContent()).toMatch(
        /x \[… 5020 more characters/,
      );
      expect(await shown.locator(INTRUDERS).count()).toBe(0);
      expect(await shown.title()).not.toBe("run");
      expect(complaints).toEqual([]);
    });

    test("holds a log of 70 MB, and draws a screenful of it", async () => {
      const { page: shown } = await browser.open(logUrl(HUGE));
      await shown
        .locator("#log-status", { hasText: "1,000,001 lines." })
        .waitFor({ timeout: 60_000 });
      await shown.locator("#log-end").click();
      await shown.locator(".row code", { hasText: "the last line: tide is out" }).waitFor();
      expect(await shown.locator(".row").count()).toBeLessThan(150);
      await shown.locator("#log-search").fill("tide is out");
      await shown.locator("#log-found", { hasText: "1 lines" }).waitFor();
      await shown.locator("#log-line").fill("654321");
      await shown.locator("#log-line").press("Enter");
      await shown.locator(`${row(654_321)}.selected`).waitFor();
    });

    test("reaches each line of a log that is taller than a browser draws", async () => {
      const { page: shown } = await browser.open(logUrl(LONG, "#L1234567"));
      await shown
        .locator("#log-status", { hasText: "2,000,000 lines." })
        .waitFor({ timeout: 60_000 });
      await shown.locator(`${row(1_234_567)}.selected`).waitFor();
      await shown.locator("#log").hover();
      await shown.mouse.wheel(0, 2_000);
      await shown.locator(row(1_234_640)).waitFor();
    });

    test("says in words that there is no such log, or no such build", async () => {
      const none = await browser.open(logUrl(999));
      await none.page.locator("#log-status", { hasText: "There is no log of build 999" }).waitFor();
      const odd = await browser.open(`${server.url}log.html?build=../../x`);
      await odd.page.locator("#log-status", { hasText: "names no build" }).waitFor();
    });

    test("without script says where the plain log is", async () => {
      const { page: shown } = await browser.open(logUrl(FAILED), { javaScript: false });
      await shown.locator("#log-without-script").waitFor();
    });
  });
});
