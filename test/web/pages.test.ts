/** The pages say what they are given, and nothing that they are given can be more than text. */
import { describe, expect, test } from "vitest";
import type { HomePage } from "../../protocol/model/farm-page.ts";
import { siteAssets } from "../../web/assets.ts";
import { escapeHtml, findWebUrl, html } from "../../web/html.ts";
import { renderHomePage } from "../../web/pages/home-page.ts";
import { renderNotFoundPage } from "../../web/pages/not-found-page.ts";
import { renderProjectPage } from "../../web/pages/project-page.ts";
import { pipOptionsFor } from "../../web/pages/site.ts";
import { countText, durationText, sizeText } from "../../web/pages/words.ts";
import { isPublicKey } from "../../web/public-key.ts";
import { hostile, project, releases } from "./project-fixture.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const at = Date.parse("2024-03-09T14:05:07Z");

const home: HomePage = {
  asOf: at,
  packages: 1_234,
  versionsBuilt: 5_678,
  files: 9_012,
  filesSizeBytes: 48_230_000_000,
  queue: { ready: 321, leased: 8, waiting: 3, blocked: 12 },
  failed: 77,
  buildsLastHour: 41,
  newVersionsLastHour: 6_543,
  slaves: 9,
  day: [],
  downloadsByDay: [],
  downloads: { last30Days: 54321, ever: 987654 },
  recentBuilds: [
    {
      token: 123_456,
      package: "tidepool",
      version: "1.4.0",
      target: "cp311-linux_x86_64",
      cause: "build-failed",
      message: "gcc failed",
      endedAt: at,
      durationMs: 94_230,
      logToken: 123_456,
    },
  ],
};

describe("the home page", () => {
  test("shows the numbers, the queue and the recent builds with their logs", () => {
    const text = renderHomePage(home, site);
    for (const shown of [
      "1,234",
      "5,678",
      "9,012",
      "48 GB",
      "77",
      "41",
      "6,543",
      "321",
      "8",
      "3",
      "12",
    ]) {
      expect(text).toMatch(new RegExp(`<dd data-figure="[a-z0-9_.]+">${shown}</dd>`));
    }
    expect(text).toContain('<a href="/project/tidepool/">tidepool</a> 1.4.0');
    expect(text).toContain('href="/logs/0000/0012/3456.txt.gz"');
    expect(text).toContain("the build failed");
    expect(text).toContain("pip install --index-url https://farm.example/simple/ PACKAGE");
  });

  test("of a farm that has built nothing says so", () => {
    expect(renderHomePage({ ...home, recentBuilds: [] }, site)).toContain("Nothing has been built");
  });
});

test("hostile names, summaries, reasons and messages stay text on every page", () => {
  const pages = [
    renderHomePage(
      {
        ...home,
        recentBuilds: home.recentBuilds.map((build) => ({
          ...build,
          package: hostile,
          version: hostile,
          target: hostile,
          message: hostile,
        })),
      },
      { name: hostile, url: site.url },
    ),
    renderNotFoundPage({ name: hostile }),
  ];
  for (const page of pages) {
    expect(page).not.toMatch(
      /<img src=x|<script(?! type="module" src="\/assets)|javascript:|"&gt;&lt;img[^"]*"[^<]*onerror=[^&]*"/,
    );
    expect(page).toContain("&lt;script&gt;");
  }
});

test("no page holds a script, a style or an event of its own, which the headers forbid", () => {
  for (const page of [renderHomePage(home, site), renderProjectPage(project(), releases, site)]) {
    expect(page).not.toMatch(
      /<script(?! type="module" src="\/assets\/[a-z.0-9-]+"><\/script>)|<style|\sstyle=|\son[a-z]+=/,
    );
  }
});

test("what the pages refer to as assets is there to be written", () => {
  const keys = siteAssets.map(({ key }) => key);
  for (const page of [renderHomePage(home, site), renderProjectPage(project(), releases, site)]) {
    const referred = [...page.matchAll(/(?:href|src)="\/(assets\/[^"]+)"/g)].map(([, key]) => key);
    expect(keys).toEqual(expect.arrayContaining(referred));
    expect(referred.length).toBeGreaterThan(2);
  }
  expect(siteAssets.every(({ key, contents }) => isPublicKey(key) && contents !== "")).toBe(true);
});

test("escaping leaves no character that could end a text or an attribute", () => {
  expect(escapeHtml(`<&>"'`)).toBe("&lt;&amp;&gt;&quot;&#39;");
  expect(escapeHtml("a\u{0}b\u{1b}[31m\tc\n")).toBe("a\u{FFFD}b\u{FFFD}[31m\tc\n");
  expect(escapeHtml("half \u{d83d} pair \u{1F6DE}")).toBe("half \u{FFFD} pair \u{1F6DE}");
  expect(html`<p>${["<", html`<b>`]}${undefined}${1}</p>`.text).toBe("<p>&lt;<b>1</p>");
});

test.each([
  ["https://a.example/x", "https://a.example/x"],
  ["HTTP://a.example", "http://a.example/"],
  ["javascript:alert(1)", undefined],
  [" javascript:alert(1)", undefined],
  ["data:text/html,x", undefined],
  ["//a.example", undefined],
  ["", undefined],
  [null, undefined],
])("the link %j becomes %j", (text, url) => {
  expect(findWebUrl(text)).toBe(url);
});

test.each([
  ["https://farm.example", "--index-url https://farm.example/simple/"],
  ["http://127.0.0.1:8080/", "--index-url http://127.0.0.1:8080/simple/"],
  ["http://[::1]:8080/", "--index-url http://[::1]:8080/simple/"],
  [
    "http://farm.lan:8080/wheels",
    "--index-url http://farm.lan:8080/wheels/simple/ --trusted-host farm.lan",
  ],
])("pip installs from %s with %s", (url, options) => {
  expect(pipOptionsFor({ name: "x", url })).toBe(options);
});

test.each([
  [sizeText(0), "0 bytes"],
  [sizeText(999), "999 bytes"],
  [sizeText(1_000), "1.0 kB"],
  [sizeText(999_499), "999 kB"],
  [sizeText(999_500), "1.0 MB"],
  [sizeText(9_950_000), "10 MB"],
  [sizeText(2e18), "2000 PB"],
  [durationText(850), "850 ms"],
  [durationText(59_499), "59 s"],
  [durationText(250_000), "4 min 10 s"],
  [durationText(7_500_000), "2 h 5 min"],
  [countText(1_234_567), "1,234,567"],
])("people read %s", (text, expected) => {
  expect(text).toBe(expected);
});
