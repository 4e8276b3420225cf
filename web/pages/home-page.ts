/**
 * The home page: how to install from the farm, what it has built and has before it, its last day as plots, and
 * the last builds. Numbers with `data-figure` are kept up to date by home.js, from farm.json.
 */
import { causeText } from "../../protocol/model/cause.ts";
import type { DayCounts, HomePage, RecentBuild } from "../../protocol/model/farm-page.ts";
import { type Html, html } from "../html.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { failuresPlot, queuePlot } from "./farm-plots.ts";
import { layout } from "./layout.ts";
import { plot } from "./plot.ts";
import { pipOptionsFor, type Site, uvOptionsFor } from "./site.ts";
import { countText, durationText, instantText, sizeText, toneOf } from "./words.ts";

const DAY_MS = 86_400_000;

export function renderHomePage(page: HomePage, site: Site): string {
  const { queue } = page;
  return layout(
    site,
    "",
    html`<div class="hero">
<div>
<h1>Python wheels, built here</h1>
<p class="lead">This farm takes source distributions, builds the wheels that nobody has published for your machines, and serves them to pip and uv.</p>
<form class="search-box" action="/packages.html" role="search">
<label for="q">Find a package</label>
<div><input id="q" name="q" type="search" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="200"><button type="submit">Search</button></div>
</form>
</div>
<div class="install">
<h2>Install from this farm</h2>
<h3>With pip</h3>
<pre class="command"><code>pip install ${pipOptionsFor(site)} PACKAGE</code></pre>
<h3>With uv</h3>
<pre class="command"><code>uv pip install ${uvOptionsFor(site)} PACKAGE</code></pre>
<p class="quiet"><a href="/faq.html">For every project, beside PyPI, in containers: see Help</a></p>
</div>
</div>
<h2>Now</h2>
<dl class="numbers">
${number("Builds in the last hour", "builds_last_hour", countText(page.buildsLastHour))}
${number("New versions in the last hour", "new_versions_last_hour", countText(page.newVersionsLastHour))}
${number("Building", "queue.building", countText(queue.leased))}
${number("Queued", "queue.ready", countText(queue.ready), "/queue.html")}
${number("To be retried", "queue.waiting", countText(queue.waiting))}
${number("Blocked", "queue.blocked", countText(queue.blocked))}
${number("Build slaves", "slaves", countText(page.slaves))}
</dl>
<h2>Built so far</h2>
<dl class="numbers">
${number("Packages", "packages", countText(page.packages), "/packages.html")}
${number("Versions", "versions_built", countText(page.versionsBuilt))}
${number("Files", "files", countText(page.files))}
${number("Size of all files", "size_bytes", sizeText(page.filesSizeBytes))}
${number("Failed", "failed", countText(page.failed))}
${number("Downloads in 30 days", "downloads_30_days", countText(page.downloads.last30Days))}
${number("Downloads ever", "downloads", countText(page.downloads.ever))}
</dl>
<h2>The last day</h2>
<div class="plots">
${failuresPlot("Builds an hour", "day", page.day, page.asOf)}
${queuePlot("The queue", "day", page.day, page.asOf)}
</div>
${page.downloadsByDay.length === 0 ? undefined : html`<h2>Downloads</h2>\n${downloadsPlot("Downloads a day, 30 days", page.downloadsByDay, page.asOf, 30)}`}
<h2 id="recent">Recent builds</h2>
<div class="scroll" role="region" aria-labelledby="recent" tabindex="0"><table id="builds">
<thead><tr><th scope="col">Package</th><th scope="col">Outcome</th><th scope="col">Target</th><th scope="col">Took</th><th scope="col">Ended</th><th scope="col">Log</th></tr></thead>
<tbody>
${page.recentBuilds.length === 0 ? html`<tr><td colspan="6">Nothing has been built yet.</td></tr>` : page.recentBuilds.map(rowOf)}</tbody>
</table></div>
<p class="quiet">As of <span data-figure="as_of">${instantText(page.asOf)}</span>. <span id="live" role="status"></span></p>`,
    {
      path: "/",
      description: `${site.name}: a package index of ${countText(page.packages)} Python packages with wheels that were built from source.`,
      scripts: ["home.js", "log-links.js"],
    },
  );
}

const number = (name: string, figure: string, value: string, link?: string): Html =>
  html`<div><dt>${link === undefined ? name : html`<a href="${link}">${name}</a>`}</dt><dd data-figure="${figure}">${value}</dd></div>`;

/** @param days how many, the present one included */
export const downloadsPlot = (
  title: string,
  counts: DayCounts,
  asOf: number,
  days: number,
): Html => {
  const to = (Math.floor(asOf / DAY_MS) + 1) * DAY_MS;
  return plot({
    title,
    series: [{ name: "Downloads", points: counts.map(({ at, count }) => ({ at, value: count })) }],
    from: to - days * DAY_MS,
    to,
    stepMs: DAY_MS,
    unit: "files",
    kind: "bars",
  });
};

function rowOf(build: RecentBuild): Html {
  const tone = toneOf(build.cause);
  const message =
    build.message === "" ? undefined : html` <span class="quiet">${build.message}</span>`;
  const log =
    build.logToken === null
      ? undefined
      : html`<a href="${urlPathOf(logKey(build.logToken))}" aria-label="Log of ${build.package} ${build.version}, ${build.target}">log</a>`;
  return html`<tr data-build="${build.token}" data-project="${build.package}"><th scope="row" class="wrap"><a href="/project/${encodeURIComponent(build.package)}/">${build.package}</a> ${build.version}</th><td class="outcome"><span class="state ${tone.name}"><span aria-hidden="true">${tone.sign}</span> ${causeText[build.cause]}</span>${message}</td><td>${build.target}</td><td>${durationText(build.durationMs)}</td><td>${instantText(build.endedAt)}</td><td>${log}</td></tr>
`;
}
