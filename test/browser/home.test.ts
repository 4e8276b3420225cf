/** The home page in a real browser. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { siteAssets } from "../../web/assets.ts";
import { renderHomePage } from "../../web/pages/home-page.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";
import { openLocalStorage } from "../../web/storage.ts";
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

const site = { name: "Wheelwright", url: "https://farm.example/" };
const hostile = `"><img src=x onerror=alert(1)>'</title></pre><script>alert(1)</script>`;

describe.skipIf(browserMissing !== undefined)(`the home page${browserNote}`, () => {
  const browser = useBrowser();
  let output: string;
  let server: WebServer;

  beforeAll(async () => {
    output = await makeScratchFolder();
    const storage = await openLocalStorage(output);
    for (const { key, contents } of siteAssets) await storage.replace(key, contents);
    const page = renderHomePage(
      {
        asOf: Date.parse("2024-03-09T14:05:07Z"),
        packages: 1_234,
        versionsBuilt: 5_678,
        files: 9_012,
        filesSizeBytes: 48_230_000_000,
        queue: { ready: 321, leased: 8, waiting: 3, blocked: 12 },
        failed: 77,
        buildsLastHour: 41,
        newVersionsLastHour: 6_543,
        downloads: { last30Days: 54321, ever: 987654 },
        recentBuilds: [
          {
            package: "tidepool",
            version: hostile,
            target: "cp311-linux_x86_64",
            cause: "build-failed",
            message: hostile,
            endedAt: Date.parse("2024-03-09T14:04:07Z"),
            durationMs: 94_230,
            logToken: 123_456,
          },
        ],
      },
      site,
    );
    await storage.replace("index.html", page);
    server = await startWebServer({
      address: "http://127.0.0.1:0",
      outputPath: output,
      log: silent,
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(output, { recursive: true, force: true });
  });

  test.for(["light", "dark"] as const)(
    "is without faults for whoever cannot see it, in %s",
    async (colorScheme) => {
      const { page, complaints } = await browser.open(server.url, { colorScheme });
      expect(await accessibilityFaults(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await keepScreenshot(page, `home-${colorScheme}`);
    },
  );

  test("fits a phone", async () => {
    const { page } = await browser.open(server.url, { size: phone });
    expect(await isTooWide(page)).toBe(false);
    await keepScreenshot(page, "home-phone");
  });
});
