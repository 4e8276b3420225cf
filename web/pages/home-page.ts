/** The home page: what the farm has built, what it has before it, and the last builds. */
import { causeText } from "../../protocol/model/cause.ts";
import type { HomePage, RecentBuild } from "../../protocol/model/page.ts";
import { type Html, html } from "../html.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { layout } from "./layout.ts";
import { pipOptionsFor, type Site } from "./site.ts";
import { countText, durationText, instantText, sizeText, toneOf } from "./words.ts";

export function renderHomePage(page: HomePage, site: Site): string {
  const { queue } = page;
  return layout(
    site,
    "",
    html`<h1>Wheels for your machines</h1>
<p class="lead">This farm builds Python packages from source and serves the wheels to pip and uv:</p>
<pre class="command"><code>pip install ${pipOptionsFor(site)} PACKAGE</code></pre>
<h2>The farm</h2>
<dl class="numbers">
${number("Packages", countText(page.packages))}
${number("Versions built", countText(page.versionsBuilt))}
${number("Files", countText(page.files))}
${number("Size of all files", sizeText(page.filesSizeBytes))}
${number("Failed builds", countText(page.failed))}
${number("Downloads in 30 days", countText(page.downloads.last30Days))}
${number("Downloads ever", countText(page.downloads.ever))}
</dl>
<h2>The last hour</h2>
<dl class="numbers">
${number("Builds", countText(page.buildsLastHour))}
${number("New versions", countText(page.newVersionsLastHour))}
</dl>
<h2>The queue</h2>
<dl class="numbers">
${number("Queued", countText(queue.ready))}
${number("Building", countText(queue.leased))}
${number("To be retried", countText(queue.waiting))}
${number("Blocked", countText(queue.blocked))}
</dl>
<h2>Recent builds</h2>
${page.recentBuilds.length === 0 ? html`<p>Nothing has been built yet.</p>` : recentBuilds(page.recentBuilds)}
<p class="quiet">As of ${instantText(page.asOf)}.</p>`,
  );
}

const number = (name: string, value: string): Html =>
  html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

const recentBuilds = (builds: readonly RecentBuild[]): Html => html`<div class="scroll"><table>
<thead><tr><th scope="col">Package</th><th scope="col">Target</th><th scope="col">Outcome</th><th scope="col">Took</th><th scope="col">Ended</th><th scope="col">Log</th></tr></thead>
<tbody>
${builds.map(rowOf)}</tbody>
</table></div>`;

function rowOf(build: RecentBuild): Html {
  const tone = toneOf(build.cause);
  const message =
    build.message === "" ? undefined : html` <span class="quiet">${build.message}</span>`;
  const log =
    build.logToken === null
      ? undefined
      : html`<a href="${urlPathOf(logKey(build.logToken))}" aria-label="Log of ${build.package} ${build.version}">log</a>`;
  return html`<tr><th scope="row"><a href="/project/${encodeURIComponent(build.package)}/">${build.package}</a> ${build.version}</th><td>${build.target}</td><td class="outcome"><span class="state ${tone.name}"><span aria-hidden="true">${tone.sign}</span> ${causeText[build.cause]}</span>${message}</td><td>${durationText(build.durationMs)}</td><td>${instantText(build.endedAt)}</td><td>${log}</td></tr>
`;
}
