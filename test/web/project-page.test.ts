/** A project's page, its archive, what stands at other spellings, its badge and its feed say what they are given. */
import { SaxesParser } from "saxes";
import { describe, expect, test } from "vitest";
import { causes, verdictOf } from "../../protocol/model/cause.ts";
import type { ProjectPage, ProjectRelease } from "../../protocol/model/project-page.ts";
import { escapeHtml } from "../../web/html.ts";
import { badgeOf, renderBadge } from "../../web/pages/badge.ts";
import { renderAliasPage } from "../../web/pages/project-alias.ts";
import { renderArchivePage } from "../../web/pages/project-archive.ts";
import { renderProjectFeed } from "../../web/pages/project-feed.ts";
import { archivePages, renderProjectPage } from "../../web/pages/project-page.ts";
import { causeReasons, placeText, skipReasonOf } from "../../web/pages/project-reasons.ts";
import {
  at,
  build,
  buildIn,
  file,
  hostile,
  project,
  release,
  releases,
  targetNames,
} from "./project-fixture.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const page = (more: Partial<ProjectPage> = {}, shown: readonly ProjectRelease[] = releases) =>
  renderProjectPage(project(more), shown, site);
const { chosen } = project();
const [first = "", second = ""] = targetNames;

/** The cells of a release's row: of the version, the date, and each target in the order of the columns. */
const rowOf = (text: string, version: string): string[] =>
  text
    .split("\n")
    .find(
      (line) =>
        /^(?: ?<)/.test(line.split(`<tr><th scope="row">${version}`)[1] ?? "") &&
        line.includes("<td"),
    )
    ?.match(/<t[dh][^>]*>.*?<\/t[dh]>/g) ?? [];

describe("a project's page", () => {
  test("gives commands to copy for pip and uv, and the system packages by each manager", () => {
    const text = page();
    for (const command of [
      "pip install --index-url https://farm.example/simple/ tidepool",
      "uv pip install --default-index https://farm.example/simple/ tidepool",
      "sudo apt install libffi8 zlib1g",
      "sudo apk add libffi",
      "sudo dnf install libffi",
    ])
      expect(text).toContain(`<pre class="command"><code>${command}</code></pre>`);
  });

  test("puts no name into a command that is no name of a system package", () => {
    const names = ["zlib1g", "x; rm -rf ~", "--oops", "$(reboot)"];
    const systemPackages = [{ manager: "apt" as const, os: "Debian", names }];
    const text = page({ chosen: chosen && { ...chosen, systemPackages } });
    expect(text).toContain("<code>sudo apt install zlib1g</code>");
    expect(text).not.toContain("reboot");
  });

  test("has a cell for each release and target, under its target, linked to its log", () => {
    const cells = rowOf(page(), "1.4.0");
    expect(cells).toHaveLength(2 + 9);
    // By platform: cp39, cp311, cp313 of the first one, then the second.
    expect(cells[2]).toContain('href="/logs/0000/0012/3456.txt.gz"');
    expect(cells[2]).toContain('<span class="unseen">built</span>');
    expect(cells[5]).toContain('href="/logs/0000/0000/0001.txt.gz" title="failed: no end"');
    expect(cells[8]).toContain("covered");
    expect(cells.filter((cell) => /<td[^>]*><\/td>/.test(cell))).toHaveLength(6);
  });

  test("has words in its cells where there are few targets", () => {
    const { targets } = project();
    const cells = rowOf(page({ targets: targets.slice(0, 3) }), "1.4.0");
    expect(cells[2]).toContain("</span> built</a>");
  });

  test.each(causes.filter((cause) => verdictOf(cause) !== "success"))(
    "explains %s, says what can be done, and what the build said",
    (cause) => {
      const text = page();
      const { title, what, advice } = causeReasons[cause];
      for (const said of [title, `${what} ${advice}`, `said of ${cause}`])
        expect(text).toContain(escapeHtml(said));
    },
  );

  test.each(["binary only", "no hash", "breaks our sensors"])("explains the skip %j", (reason) => {
    const { title, what } = skipReasonOf(reason, "release");
    expect(page()).toContain(escapeHtml(title));
    expect(page()).toContain(escapeHtml(what));
    expect(page({ skipReason: reason })).toContain(
      `<strong>${escapeHtml(skipReasonOf(reason, "package").title)}.</strong>`,
    );
  });

  test("links what a blocked build waits for: here, or upstream", () => {
    const text = page();
    expect(text).toContain(
      'waits for <a href="/project/seashell/"><code>seashell&gt;=2</code></a>',
    );
    expect(text).toContain('href="https://upstream.example/project/nowhere/"');
    expect(text).toContain("tried 3 times, again from 2024-03-10 14:05 UTC on");
  });

  test("tells the place in the queue, and a guess at the time", () => {
    expect(page()).toContain(
      "41 builds are before it: about 21 minutes at the pace of the last hour",
    );
  });

  test("groups what it needs by extra, with a link for each", () => {
    const text = page();
    expect(text).toContain('<a href="/project/numpy/"><code>numpy&gt;=1.26</code></a>');
    expect(text).toMatch(
      /upstream.example\/project\/tomli\/.*if python_version &lt; &quot;3.11&quot;/,
    );
    expect(text).toMatch(/<summary><code>tidepool\[plot\]<\/code>.*\/project\/matplotlib\//s);
  });

  test("tells what the wheel was built with, and the hashes behind a fold", () => {
    const text = page();
    expect(text).toContain("<code>setuptools 80.9.0</code>");
    expect(text).toMatch(new RegExp(`<details>.*<code>${"cd".repeat(32)}</code>`, "s"));
  });

  test("lists its files with size, hash and marks", () => {
    const text = page();
    const name = "tidepool-1.4.0-cp39-cp39-linux_armv7l.whl";
    expect(text).toContain(`href="/simple/tidepool/${name}#sha256=${"ab".repeat(32)}"`);
    expect(text).toMatch(/1\.2 MB<\/td><td>&gt;=3\.9/);
    expect(text).toContain('title="it holds no machine code">suspicious<');
    expect(text).toContain('title="wrong tides">yanked<');
    expect(text).toContain('<span class="mark">pre-release</span>');
  });

  test("says how often it was downloaded, where it was, with a plot", () => {
    expect(page()).toContain("1,234 in the last 30 days, 56,789 ever");
    expect(page()).toContain("Downloads a day");
    expect(page({ downloads: { last30Days: 0, ever: 0 } })).not.toContain("Downloads");
  });

  test("has a badge and a feed only where something was attempted", () => {
    expect(page()).toContain('href="/project/tidepool/builds.xml"');
    const untried = page({ isAttempted: false });
    expect(untried).not.toMatch(/builds\.xml">Its|\/badge\//);
  });

  test("of a project without anything says so, and why it is skipped", () => {
    const nothing = {
      chosen: null,
      fileCount: 0,
      releaseCount: 0,
      places: [],
      skipReason: "too large",
      targets: [],
    };
    const text = page(nothing, []);
    expect(text).toContain("no wheel of this project here yet");
    expect(text).toContain("too large");
    expect(text).toContain("No release is known.");
  });

  test("stays bounded however much there is, and links to the rest", () => {
    const many = Array.from({ length: 50 }, (_, index) =>
      release(`9.${50 - index}`, {
        files: Array.from({ length: 100 }, (_each, n) => file(`9.${index}.${n}`)),
      }),
    );
    const text = page({ releaseCount: 5_000, fileCount: 500_000 }, many);
    expect(text.length).toBeLessThan(400_000);
    expect(text.match(/<table class="files">/g)).toHaveLength(2);
    expect(text).toContain('499,800 more: <a href="/simple/tidepool/">');
    expect(text).toContain('<a href="/project/tidepool/releases/100/">page 100</a>');
    expect(text).toContain('<a href="/project/tidepool/releases/1/">page 1</a>');
    expect(text).toContain("<summary>40 older releases</summary>");
    expect(archivePages(50)).toBe(0);
    expect(archivePages(51)).toBe(2);
  });
});

test("the archive has all it is given, and leads to its neighbours", () => {
  const text = renderArchivePage(project(), { number: 2, count: 3 }, releases, site);
  for (const { version } of releases) expect(rowOf(text, version).length).toBeGreaterThan(2);
  expect(text).toContain('<a href="/project/tidepool/releases/3/" rel="prev">Newer</a>');
  expect(text).toContain('<a href="/project/tidepool/releases/1/" rel="next">Older</a>');
});

test("another spelling leads to the page without a script", () => {
  const text = renderAliasPage("tidepool", hostile, site);
  expect(text).toContain('content="0; url=/project/tidepool/"');
  expect(text).toContain('<a href="/project/tidepool/">');
  expect(text).not.toContain("<script");
});

test("hostile text stays text on all of a project's pages", () => {
  const [target] = project().targets;
  const bad = release(hostile, {
    yanked: hostile,
    skipReason: hostile,
    builds: [
      build(hostile, { state: "failed", cause: "build-failed", message: hostile, logToken: 1 }),
      build("x", {
        state: "blocked",
        cause: "dependency-missing",
        needs: [{ requirement: hostile, name: hostile, isHere: true }],
      }),
    ],
    files: [file("1", { filename: hostile, requiresPython: hostile, suspicious: hostile })],
  });
  const head = project({
    displayName: hostile,
    summary: hostile,
    spellings: [hostile],
    skipReason: hostile,
    upstreamUrl: `javascript:${hostile}`,
    targets: target
      ? [{ ...target, name: hostile, platformTag: hostile, skipReason: hostile }]
      : [],
    chosen: {
      version: hostile,
      requiresPython: hostile,
      systemPackages: [{ manager: "other", os: hostile, names: [hostile, "ok"] }],
      dependencies: [
        { name: hostile, text: hostile, marker: hostile, extra: null, isHere: true },
        { name: hostile, text: hostile, marker: "", extra: hostile, isHere: false },
      ],
      unreadDependencies: 1,
      builtWith: [{ name: hostile, version: hostile, sha256: hostile }],
    },
    places: [{ version: hostile, target: hostile, before: null, hourly: 1 }],
  });
  const texts = [
    renderProjectPage(head, [bad], { ...site, name: hostile }),
    renderArchivePage(head, { number: 1, count: 1 }, [bad], site),
    renderAliasPage("tidepool", hostile, site),
    renderBadge("tidepool", { text: hostile, tone: "good" }),
  ];
  for (const text of texts) {
    expect(text).not.toMatch(
      /<img src=x|<script(?! type="module" src="\/assets\/[a-z.0-9-]+"><\/script>)|href="javascript:/,
    );
    expect(text).toContain("&lt;script&gt;");
  }
});

describe("the badge", () => {
  const all = (state: Parameters<typeof buildIn>[0], count = 3) =>
    targetNames.slice(0, count).map((target) => buildIn(state, target));
  test.each([
    ["all targets built", all("built"), "1.0 for all 3 targets", "good"],
    ["one target", all("built", 1), "1.0 built", "good"],
    [
      "some",
      [...all("built", 2), buildIn("failed", targetNames[4])],
      "1.0 for 2 of 3 targets",
      "partly",
    ],
    [
      "those that Python excludes",
      [...all("built", 2), buildIn("excluded", targetNames[4])],
      "1.0 for all 2 targets",
      "good",
    ],
    ["failed", all("failed"), "1.0 failed", "bad"],
    ["queued", [...all("failed", 1), buildIn("ready", second)], "1.0 queued", "busy"],
    ["building", [buildIn("leased", first), buildIn("ready", second)], "1.0 building", "busy"],
    ["blocked", all("blocked"), "1.0 blocked", "partly"],
    ["nothing", [], "1.0 not built", "calm"],
  ] as const)("says of %s what they are", (_what, builds, text, tone) => {
    expect(badgeOf(project(), [release("1.0", { builds, files: [] })])).toEqual({ text, tone });
  });

  test("is of the newest release that counts", () => {
    const list = [
      release("3.0rc1", { isPrerelease: true }),
      release("2.0", { yanked: "" }),
      release("1.5", { skipReason: "binary only", builds: [], files: [] }),
      release("1.0"),
    ];
    expect(badgeOf(project(), list).text).toBe("1.0 for all 9 targets");
    expect(badgeOf(project(), list.slice(0, 1)).text).toBe("3.0rc1 for all 9 targets");
    expect(badgeOf(project({ skipReason: "no" }), list).text).toBe("not built");
  });

  test("is a picture with a title, well formed, without script or a font of its own", () => {
    const svg = renderBadge("tidepool", { text: "1.0 <&> built", tone: "good" });
    expect(elementsOf(svg)).toContain("title");
    expect(svg).toContain('<title id="t">tidepool: wheels 1.0 &lt;&amp;&gt; built</title>');
    expect(svg).not.toMatch(/script|url\((?!#c)|@|style/);
  });
});

/** Reads XML strictly: not well formed is an error. */
function elementsOf(xml: string): string[] {
  const names: string[] = [];
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ name }) => names.push(name));
  parser.write(xml).close();
  return names;
}

test("the feed is well-formed Atom with ids that stay, whatever builds say", () => {
  const nasty = `${hostile} \u{0} \u{1b}[31m \uFFFE \u{d800} ]]>`;
  const builds = [
    {
      token: 8,
      version: "2.0",
      target: first,
      cause: "build-failed" as const,
      message: nasty,
      endedAt: at,
      durationMs: 94_230,
      hasLog: true,
    },
    {
      token: 7,
      version: nasty,
      target: nasty,
      cause: "built" as const,
      message: "",
      endedAt: at - 1_000,
      durationMs: null,
      hasLog: false,
    },
  ];
  const text = renderProjectFeed(project({ displayName: nasty }), builds, site);
  const names = elementsOf(text);
  expect(names.filter((name) => name === "entry")).toHaveLength(2);
  // RFC 4287, 4.1.1 and 4.1.2: what a feed and an entry must have, once each.
  for (const [name, times] of [
    ["id", 3],
    ["title", 3],
    ["updated", 3],
    ["author", 1],
  ] as const)
    expect(names.filter((each) => each === name)).toHaveLength(times);
  expect(text).toContain("<id>https://farm.example/project/tidepool/builds.xml#build-8</id>");
  expect(text).toContain("<updated>2024-03-09T14:05:07.000Z</updated>");
  expect(text).toContain('href="https://farm.example/logs/0000/0000/0008.txt.gz"');
  expect(elementsOf(renderProjectFeed(project(), [], site))).not.toContain("entry");
});

test.each([
  [0, 10, "it is next"],
  [1, 0, "1 build is before it"],
  [41, 120, "41 builds are before it: about 21 minutes at the pace of the last hour"],
  [900, 30, "900 builds are before it: about 30 hours at the pace of the last hour"],
  [null, 30, "more than 1,000 builds are before it"],
])("of a build with %s before it and %s an hour: %s", (before, hourly, text) => {
  expect(placeText(before, hourly)).toBe(text);
});
