/** The pages say what they are given, and nothing that they are given can be more than text. */
import { describe, expect, test } from "vitest";
import type { HomePage } from "../../protocol/model/farm-page.ts";
import type { ProjectFile, ProjectPage } from "../../protocol/model/page.ts";
import { siteAssets } from "../../web/assets.ts";
import { escapeHtml, findWebUrl, html } from "../../web/html.ts";
import { renderHomePage } from "../../web/pages/home-page.ts";
import { renderNotFoundPage } from "../../web/pages/not-found-page.ts";
import { renderProjectPage } from "../../web/pages/project-page.ts";
import { pipOptionsFor } from "../../web/pages/site.ts";
import { countText, durationText, sizeText } from "../../web/pages/words.ts";
import { isPublicKey } from "../../web/public-key.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const at = Date.parse("2024-03-09T14:05:07Z");
const hostile = `"><img src=x onerror=alert(1)>'</title></pre><script>alert(1)</script>`;

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

const file: ProjectFile = {
  filename: "tidepool-1.4.0-cp311-cp311-linux_x86_64.whl",
  version: "1.4.0",
  sha256: "ab".repeat(32),
  sizeBytes: 1_234_567,
  requiresPython: ">=3.9",
  yanked: null,
  isPrerelease: false,
  uploadedAt: at,
  aptDependencies: ["zlib1g", "libffi8"],
  suspicious: null,
};

const project: ProjectPage = {
  downloads: { last30Days: 1234, ever: 56789 },
  name: "tidepool",
  displayName: "TidePool",
  summary: "Reads tide gauges.",
  upstreamUrl: "https://upstream.example/project/tidepool/",
  skipReason: null,
  targets: ["cp39-linux_x86_64", "cp311-linux_x86_64"],
  releases: [
    {
      version: "1.4.0",
      releasedAt: at,
      isPrerelease: false,
      yanked: null,
      skipReason: null,
      builds: [
        { target: "cp311-linux_x86_64", state: "built", reason: "", logToken: 2 },
        { target: "cp39-linux_x86_64", state: "failed", reason: "it took too long", logToken: 1 },
      ],
    },
    {
      version: "1.3",
      releasedAt: null,
      isPrerelease: false,
      yanked: "wrong tides",
      skipReason: "binary only",
      builds: [],
    },
  ],
  files: [file],
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

describe("a project's page", () => {
  test("shows how to install it, with the system packages of its newest wheels", () => {
    const text = renderProjectPage(project, site);
    expect(text).toContain("pip install --index-url https://farm.example/simple/ tidepool<");
    expect(text).toContain("sudo apt install libffi8 zlib1g<");
  });

  test("names the system packages of what pip would choose: no yanked, no pre-release", () => {
    const other = (version: string, apt: string, more: Partial<ProjectFile>): ProjectFile => ({
      ...file,
      version,
      aptDependencies: [apt],
      suspicious: null,
      ...more,
    });
    const files = [
      other("3.0rc1", "for-rc", { isPrerelease: true }),
      other("2.0", "for-yanked", { yanked: "" }),
      other("1.0", "for-good", {}),
    ];
    expect(renderProjectPage({ ...project, files }, site)).toContain("apt install for-good<");
  });

  test("has a cell for each release and target, under its target, linked to its log", () => {
    const text = renderProjectPage(project, site);
    const rows = [...text.matchAll(/<tr><th scope="row">1\.[^\n]*<\/tr>/g)].map(([row]) => row);
    const cells = rows.map((row) => row.match(/<td>.*?<\/td>/g));
    expect(cells[0]?.[1]).toContain('href="/logs/0000/0000/0001.txt.gz"');
    expect(cells[0]?.[1]).toContain("failed");
    expect(cells[0]?.[1]).toContain('title="it took too long"');
    expect(cells[0]?.[2]).toContain("built");
    expect(cells[1]).toEqual(["<td></td>", "<td></td>", "<td></td>"]);
    expect(rows[1]).toMatch(/yanked<.*binary only/);
  });

  test("lists its files with size, hash and marks", () => {
    const yanked = { ...file, yanked: "wrong tides", isPrerelease: true };
    const text = renderProjectPage({ ...project, files: [yanked] }, site);
    expect(text).toContain(`href="/simple/tidepool/${file.filename}#sha256=${file.sha256}"`);
    expect(text).toMatch(/1\.2 MB.*&gt;=3\.9/);
    expect(text).toMatch(/pre-release<.*title="wrong tides">yanked</);
  });

  test("says how often it was downloaded, where it was", () => {
    expect(renderProjectPage(project, site)).toContain(
      "Downloaded 1,234 times in 30 days and 56,789 times ever",
    );
    const unused = { ...project, downloads: { last30Days: 0, ever: 0 } };
    expect(renderProjectPage(unused, site)).not.toContain("Downloaded");
  });

  test("of a project without anything says so, and why it is skipped", () => {
    const bare = { ...project, files: [], releases: [], skipReason: "deleted" };
    const text = renderProjectPage(bare, site);
    expect(text).toContain("no wheel of this project here yet");
    expect(text).toContain("does not build this package: deleted");
  });
});

test("hostile names, summaries, reasons and messages stay text on every page", () => {
  const { releases, targets, ...rest } = project;
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
    renderProjectPage(
      {
        ...rest,
        name: hostile,
        displayName: hostile,
        summary: hostile,
        skipReason: hostile,
        upstreamUrl: `javascript:${hostile}`,
        targets: targets.map(() => hostile),
        releases: releases.map((release) => ({
          ...release,
          version: hostile,
          yanked: hostile,
          skipReason: hostile,
          builds: [{ target: hostile, state: "blocked", reason: hostile, logToken: 1 }],
        })),
        files: [
          { ...file, filename: hostile, requiresPython: hostile, aptDependencies: [hostile] },
          { ...file, version: "0", yanked: hostile },
        ],
      },
      site,
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
  for (const page of [renderHomePage(home, site), renderProjectPage(project, site)]) {
    expect(page).not.toMatch(
      /<script(?! type="module" src="\/assets\/[a-z.0-9]+"><\/script>)|<style|\sstyle=|\son[a-z]+=/,
    );
  }
});

test("what the pages refer to as assets is there to be written", () => {
  const keys = siteAssets.map(({ key }) => key);
  for (const page of [renderHomePage(home, site), renderProjectPage(project, site)]) {
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
