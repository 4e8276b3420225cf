/**
 * A real browser for tests of the site: the Chromium that is installed on this machine, never one that is
 * downloaded. Where there is none the tests are skipped with that reason, and `.ci/run` installs one.
 *
 *     describe.skipIf(browserMissing !== undefined)("the home page", () => {
 *       const browser = useBrowser();
 *       test("…", async () => {
 *         const { page, complaints } = await browser.open(`${site.url}`, { colorScheme: "dark" });
 *         …
 *         expect(complaints).toEqual([]);
 *         expect(await accessibilityFaults(page)).toEqual([]);
 *         await keepScreenshot(page, "home-dark");
 *
 * What is evaluated in the page is given as text, since the tests know no DOM types; locators need none.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";
import { chromiumOptions, chromiumPath as executablePath } from "./chromium.ts";

/** Why there are no browser tests on this machine; undefined where there are. */
export const browserMissing =
  executablePath === undefined
    ? "no Chromium is installed: apt install chromium, or name one in WHEELWRIGHT_CHROMIUM"
    : undefined;

/** For the title of what is skipped. */
export const browserNote = browserMissing === undefined ? "" : ` (skipped: ${browserMissing})`;

/** Widths and heights of what people hold. */
export const phone = { width: 375, height: 740 };
const desk = { width: 1_280, height: 900 };

export interface PageOptions {
  /** Default: that of a desk. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Default `light`. */
  readonly colorScheme?: "light" | "dark";
  /** Default true. */
  readonly javaScript?: boolean;
  /** Default `no-preference`. */
  readonly reducedMotion?: "reduce" | "no-preference";
}

export interface OpenPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /**
   * What a developer would see in red: messages of the console, exceptions, what the policy refused,
   * answers from 400 on. Grows while the page is open.
   */
  readonly complaints: readonly string[];
}

export interface TestBrowser {
  /** In a profile of its own, closed at the end of the test. Of the network it has this machine only. */
  open(url: string, options?: PageOptions): Promise<OpenPage>;
}

/** A browser for the tests of a file: started before the first one, ended after the last. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  const contexts: BrowserContext[] = [];

  beforeAll(async () => {
    if (executablePath === undefined) return;
    browser = await chromium.launch({ ...chromiumOptions, executablePath });
  }, 90_000);
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
  }, 30_000);

  return {
    async open(url, options = {}) {
      if (browser === undefined) throw new Error(browserMissing ?? "the browser is not open yet");
      const context = await browser.newContext({
        viewport: options.size ?? desk,
        colorScheme: options.colorScheme ?? "light",
        reducedMotion: options.reducedMotion ?? "no-preference",
        javaScriptEnabled: options.javaScript ?? true,
        locale: "en-GB",
        timezoneId: "UTC",
      });
      contexts.push(context);
      context.setDefaultTimeout(20_000);
      const complaints: string[] = [];
      // Whatever a page tries to load from elsewhere is a complaint, and never leaves this machine.
      await context.route(
        ({ hostname, protocol }) =>
          /^https?:$/.test(protocol) && !["127.0.0.1", "localhost", "[::1]"].includes(hostname),
        async (route) => {
          complaints.push(`asked for ${route.request().url()}`);
          await route.abort();
        },
      );
      const page = await context.newPage();
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("dialog", (dialog) => {
        complaints.push(`a dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("response", (response) => {
        if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
      });
      await page.goto(url);
      return { page, context, complaints };
    },
  };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly target: unknown; readonly failureSummary?: string }[];
  }[];
}

/** What axe-core has against the page as it is now, a line each: WCAG 2.2 A and AA, and its best practices. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Through the debugger's own evaluation, which the page's policy does not concern.
  const session = await page.context().newCDPSession(page);
  try {
    await session.send("Runtime.evaluate", { expression: axe });
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression: "axe.run(document, { resultTypes: ['violations'] }).then(JSON.stringify)",
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
    const { violations } = JSON.parse(String(result.value)) as AxeResults;
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(
        ({ target, failureSummary }) =>
          `${id} (${help}): ${JSON.stringify(target)} ${failureSummary ?? ""}`,
      ),
    );
  } finally {
    await session.detach();
  }
}

/** Whether the page is wider than its window: then a phone's reader scrolls sideways. */
export const isTooWide = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>(
    "document.documentElement.scrollWidth > document.documentElement.clientWidth",
  );

/** Kept as `NAME.png` in the folder of WHEELWRIGHT_SCREENSHOTS, for a look; not at all where none is named. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env["WHEELWRIGHT_SCREENSHOTS"];
  if (folder === undefined || folder === "") return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
