/** The statistics page: targets, how builds end, the slowest and the largest, who downloads, and the plots of a year. */
import { causeText } from "../../protocol/model/cause.ts";
import type { DownloadAspect, StatisticsPage } from "../../protocol/model/farm-page.ts";
import { type Html, html } from "../html.ts";
import { urlPathOf, wheelKey } from "../public-key.ts";
import { buildingPlot, failuresPlot, type PlotSpan, queuePlot, sizePlot } from "./farm-plots.ts";
import { downloadsPlot } from "./home-page.ts";
import { layout } from "./layout.ts";
import type { Site } from "./site.ts";
import { countText, durationText, instantText, sizeText, toneOf } from "./words.ts";

const aspects: Record<DownloadAspect, string> = {
  python: "Python",
  arch: "Architecture",
  installer: "Installer",
  distro: "System",
};

export function renderStatisticsPage(page: StatisticsPage, site: Site): string {
  return layout(
    site,
    "Statistics",
    html`<h1>Statistics</h1>
<p class="lead">What this farm has done, and how. <a href="/farm.json">The main figures for programs</a>.</p>
<ul class="contents"><li><a href="#targets">Targets</a></li><li><a href="#builds">Builds</a></li><li><a href="#downloads">Downloads</a></li><li><a href="#time">Over time</a></li></ul>
<h2 id="targets">Targets</h2>
<p>A target is an interpreter on a kind of machine. ${page.slaves === 1 ? "1 build slave was" : `${countText(page.slaves)} build slaves were`} heard of within the last hour.${page.disk === null ? undefined : html` The disk of the files has ${sizeText(page.disk.freeBytes)} of ${sizeText(page.disk.sizeBytes)} free.`}</p>
${page.targets.length === 0 ? html`<p>No slave has said yet what it builds for.</p>` : targetsTable(page)}
<h2 id="builds">How builds end</h2>
${page.causes.length === 0 ? html`<p>No build has ended in the last 30 days.</p>` : causesTable(page)}
<div class="plots">
<section><h3 id="slowest">Slowest builds that succeeded</h3>
${list(page.slowest.map((build) => [html`${projectLink(build.package)} ${build.version} <span class="quiet">${build.target}</span>`, durationText(build.durationMs)]))}</section>
<section><h3 id="largest">Largest files</h3>
${list(page.largest.map((file) => [html`<a href="${urlPathOf(wheelKey(file.package, file.filename))}">${file.filename}</a>`, sizeText(file.sizeBytes)]))}</section>
</div>
<h2 id="downloads">Downloads of 30 days</h2>
${page.downloads.length === 0 ? html`<p>No downloads are counted: no access log is fed to the farm, or nobody has downloaded.</p>` : downloadsBy(page)}
${page.downloadsByDay.length === 0 ? undefined : downloadsPlot("Downloads a day, one year", page.downloadsByDay, page.asOf, 366)}
<h2 id="time">Over time</h2>
${(["day", "week", "year"] as const).map((span) => plotsOf(span, page))}
<p class="quiet">As of ${instantText(page.asOf)}. Days are those of UTC.</p>`,
    {
      path: "/stats.html",
      description: `Targets, builds, files and downloads of ${site.name}, over a day, a week and a year.`,
    },
  );
}

const titles: Record<PlotSpan, string> = { day: "A day", week: "A week", year: "A year" };

const plotsOf = (span: PlotSpan, page: StatisticsPage): Html => html`<h3>${titles[span]}</h3>
<div class="plots">
${failuresPlot("Builds an hour", span, page[span], page.asOf)}
${queuePlot("The queue", span, page[span], page.asOf)}
${buildingPlot("Being built at once", span, page[span], page.asOf)}
${sizePlot("Size of all files", span, page[span], page.asOf)}
</div>
`;

const projectLink = (name: string): Html =>
  html`<a href="/project/${encodeURIComponent(name)}/">${name}</a>`;

const targetsTable = ({
  targets,
}: StatisticsPage): Html => html`<div class="scroll" role="region" aria-labelledby="targets" tabindex="0"><table>
<thead><tr><th scope="col">Target</th><th scope="col" class="number">Slaves</th><th scope="col" class="number">Packages</th><th scope="col" class="number">Versions</th><th scope="col" class="number">Files</th><th scope="col" class="number">Size</th><th scope="col" class="number">Failed</th><th scope="col" class="number">Queued</th><th scope="col" class="number">Mean time</th></tr></thead>
<tbody>
${targets.map(
  (
    target,
  ) => html`<tr><th scope="row">${target.name}${target.skip === null ? undefined : html` <span class="mark" title="${target.skip}">not built</span>`}</th><td class="number">${countText(target.slaves)}</td><td class="number">${countText(target.packages)}</td><td class="number">${countText(target.versionsBuilt)}</td><td class="number">${countText(target.files)}</td><td class="number">${sizeText(target.sizeBytes)}</td><td class="number">${countText(target.failed)}</td><td class="number">${countText(target.ready)}</td><td class="number">${target.meanBuildMs === null ? "–" : durationText(target.meanBuildMs)}</td></tr>
`,
)}</tbody></table></div>`;

const causesTable = ({ causes }: StatisticsPage): Html => {
  const sum = (each: "last24Hours" | "last30Days"): number =>
    causes.reduce((total, cause) => total + cause[each], 0);
  return html`<div class="scroll" role="region" aria-labelledby="builds" tabindex="0"><table>
<thead><tr><th scope="col">Outcome</th><th scope="col" class="number">24 hours</th><th scope="col" class="number">30 days</th><th scope="col" class="number">Share</th></tr></thead>
<tbody>
${causes.map(({ cause, last24Hours, last30Days }) => {
  const tone = toneOf(cause);
  return html`<tr><th scope="row"><span class="state ${tone.name}"><span aria-hidden="true">${tone.sign}</span> ${causeText[cause]}</span></th><td class="number">${countText(last24Hours)}</td><td class="number">${countText(last30Days)}</td><td class="number">${shareText(last30Days, sum("last30Days"))}</td></tr>
`;
})}</tbody>
<tfoot><tr><th scope="row">All</th><td class="number">${countText(sum("last24Hours"))}</td><td class="number">${countText(sum("last30Days"))}</td><td></td></tr></tfoot></table></div>`;
};

const shareText = (part: number, all: number): string =>
  all === 0 ? "–" : `${((part / all) * 100).toFixed(1)} %`;

const list = (rows: readonly (readonly [Html, string])[]): Html =>
  rows.length === 0
    ? html`<p>None yet.</p>`
    : html`<ol class="ranking">${rows.map(([what, figure]) => html`<li><span class="wrap">${what}</span> <span class="figure">${figure}</span></li>\n`)}</ol>`;

/** Bars of whole percents, whose widths are those of an SVG: no page holds a style of its own. */
const downloadsBy = ({ downloads }: StatisticsPage): Html => html`<div class="plots">
${downloads.map(({ aspect, values, others }) => {
  const all = values.reduce((total, { count }) => total + count, others);
  const rows = others === 0 ? values : [...values, { value: "others", count: others }];
  return html`<section><h3>${aspects[aspect]}</h3>
<ol class="ranking">${rows.map(({ value, count }) => html`<li><span class="wrap">${value === "" ? "not said" : value}</span> <span class="figure">${countText(count)} <span class="quiet">${shareText(count, all)}</span></span><svg class="share series" aria-hidden="true" width="100%" height="4"><rect width="${all === 0 ? 0 : Math.round((count / all) * 100)}%" height="4" rx="2"/></svg></li>\n`)}</ol></section>
`;
})}</div>`;
