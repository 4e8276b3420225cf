/**
 * The page of one project: how to install it, what was built for which target with the log of each build, why the
 * rest was not, its files, and what it needs. It shows the newest releases only, however many there are: the
 * archive (project-archive.ts) has them all. Every spelling of the name leads here.
 */
import {
  type ProjectPage,
  type ProjectRelease,
  RELEASES_A_STRETCH,
} from "../../protocol/model/project-page.ts";
import { findWebUrl, type Html, html } from "../html.ts";
import { badgeKey, projectArchiveKey, projectFeedKey, urlPathOf } from "../public-key.ts";
import { layout } from "./layout.ts";
import { plot } from "./plot.ts";
import { filesOf, fileTable } from "./project-files.ts";
import { installation } from "./project-install.ts";
import { builtWith, dependencies } from "./project-needs.ts";
import { problemsOf } from "./project-problems.ts";
import { placeText, skipReasonOf } from "./project-reasons.ts";
import { releaseKey, releaseTable } from "./project-releases.ts";
import { absoluteUrl, type Site } from "./site.ts";
import { countText, instantText, sizeText } from "./words.ts";

/** Releases that the page has; beyond them there is the archive. */
export const RELEASES_ON_PAGE = RELEASES_A_STRETCH;
/** Those that are not folded. */
const RELEASES_OPEN = 10;
const FILES_OPEN = 20;
const FILES_ON_PAGE = 200;
const DAY_MS = 86_400_000;
const PLOT_DAYS = 90;

/** @param releases the newest ones, newest first: `RELEASES_ON_PAGE` of them, or all where there are fewer */
export function renderProjectPage(
  page: ProjectPage,
  releases: readonly ProjectRelease[],
  site: Site,
): string {
  const { name, chosen } = page;
  const problems = problemsOf(page, releases);
  const path = `/project/${name}/`;
  return layout(
    site,
    page.displayName,
    html`<div data-project="${name}">
${heading(page)}
<h2 id="install">Install</h2>
${chosen === null ? html`<p>There is no wheel of this project here yet.</p>` : installation(page, chosen, site)}
<h2 id="releases">Releases</h2>
${releases.length === 0 ? html`<p>No release is known.</p>` : releaseTables(page, releases)}
${problems === undefined ? undefined : html`<h2 id="reasons">What is not built, and why</h2>\n${problems}`}
<h2 id="files">Files</h2>
${page.fileCount === 0 ? html`<p>No file has been published.</p>` : fileTables(page, releases)}
${chosen === null ? undefined : html`<h2 id="needs">Needs</h2>\n${dependencies(page, chosen)}`}
${chosen === null || chosen.builtWith.length === 0 ? undefined : html`<h2 id="built-with">Built with</h2>\n<p>What was installed to build the newest wheel of ${chosen.version}:</p>\n${builtWith(chosen.builtWith)}`}
${page.downloads.ever === 0 ? undefined : downloads(page)}
<h2 id="more">More of this project</h2>
${more(page, site)}
</div>`,
    {
      path,
      description: `Wheels of ${page.displayName}${page.summary === "" ? "" : `: ${page.summary}`}`,
      scripts: ["log-links.js"],
      feeds: page.isAttempted
        ? [[`Builds of ${page.displayName}`, urlPathOf(projectFeedKey(name))]]
        : [],
    },
  );
}

function heading(page: ProjectPage): Html {
  const upstream = findWebUrl(page.upstreamUrl);
  const skip = page.skipReason === null ? undefined : skipReasonOf(page.skipReason, "package");
  const facts = [
    page.chosen === null
      ? undefined
      : html`<li>newest: <strong>${page.chosen.version}</strong></li>`,
    page.chosen?.requiresPython === null || page.chosen === null
      ? undefined
      : html`<li>Python ${page.chosen.requiresPython}</li>`,
    html`<li>${countText(page.releaseCount)} ${page.releaseCount === 1 ? "release" : "releases"}</li>`,
    html`<li>${countText(page.fileCount)} ${page.fileCount === 1 ? "file" : "files"}${page.fileCount === 0 ? undefined : `, ${sizeText(page.sizeBytes)}`}</li>`,
    upstream === undefined
      ? undefined
      : html`<li><a href="${upstream}" rel="noopener nofollow">Upstream</a></li>`,
  ];
  return html`<h1>${page.displayName}</h1>
${page.summary === "" ? undefined : html`<p class="lead">${page.summary}</p>\n`}<ul class="facts">${facts}</ul>
${skip === undefined ? undefined : html`<p class="notice"><strong>${skip.title}.</strong> ${skip.what} ${skip.advice}</p>\n`}`;
}

function releaseTables(page: ProjectPage, releases: readonly ProjectRelease[]): Html {
  const open = releases.slice(0, RELEASES_OPEN);
  const folded = releases.slice(RELEASES_OPEN);
  return html`${page.targets.length === 0 ? html`<p>No builder has said yet what it builds for.</p>` : undefined}
${queueNote(page)}${releaseTable(open, page.targets, "Releases and what was built of them")}
${
  folded.length === 0
    ? undefined
    : html`<details><summary>${countText(folded.length)} older ${folded.length === 1 ? "release" : "releases"}</summary>
${releaseTable(folded, page.targets, "Older releases and what was built of them")}</details>
`
}${archiveLinks(page)}${releaseKey(releases)}`;
}

function queueNote({ places, asOf }: ProjectPage): Html | undefined {
  if (places.length === 0) return undefined;
  return html`<ul class="places">
${places.map(({ version, target, before, hourly }) => html`<li>${version} for ${target} is on the queue: ${placeText(before, hourly)}.</li>\n`)}</ul>
<p class="quiet">As of ${instantText(asOf)}. <a href="/queue.html">The whole queue</a></p>
`;
}

/** Pages of the archive, the newest first: as many as are of use to a person, and the oldest. */
const ARCHIVE_LINKS = 12;

export function archivePages(releaseCount: number): number {
  return releaseCount <= RELEASES_ON_PAGE ? 0 : Math.ceil(releaseCount / RELEASES_A_STRETCH);
}

function archiveLinks({ name, releaseCount }: ProjectPage): Html | undefined {
  const count = archivePages(releaseCount);
  if (count === 0) return undefined;
  const pages = Array.from({ length: count }, (_, index) => count - index);
  const shown = pages.filter((page, index) => index < ARCHIVE_LINKS || page === 1);
  return html`<p>All ${countText(releaseCount)} releases with their files, from new to old: ${shown.map((page) => html`<a href="${archivePath(name, page)}">page ${page}</a> `)}</p>
`;
}

export const archivePath = (name: string, page: number): string =>
  urlPathOf(projectArchiveKey(name, page)).replace(/index\.html$/, "");

function fileTables(page: ProjectPage, releases: readonly ProjectRelease[]): Html {
  const files = filesOf(releases).slice(0, FILES_ON_PAGE);
  const open = files.slice(0, FILES_OPEN);
  const folded = files.slice(FILES_OPEN);
  const left = page.fileCount - files.length;
  return html`${open.length === 0 ? html`<p>None of the releases above has a file.</p>` : fileTable(page.name, open, "Files")}
${
  folded.length === 0
    ? undefined
    : html`<details><summary>${countText(folded.length)} more ${folded.length === 1 ? "file" : "files"}</summary>
${fileTable(page.name, folded, "More files")}</details>
`
}${
  left <= 0
    ? undefined
    : html`<p>${countText(left)} more: <a href="/simple/${page.name}/">all files in the index</a>${archivePages(page.releaseCount) === 0 ? undefined : ", or by release above"}.</p>
`
}`;
}

function downloads({ downloads: { last30Days, ever }, downloadDays, asOf }: ProjectPage): Html {
  const today = asOf - (asOf % DAY_MS);
  const from = today - (PLOT_DAYS - 1) * DAY_MS;
  const byDay = new Map(downloadDays.map((day) => [day.at, day.downloads]));
  const points = Array.from({ length: PLOT_DAYS }, (_, index) => {
    const at = from + index * DAY_MS;
    return { at, value: byDay.get(at) ?? 0 };
  });
  return html`<h2 id="downloads">Downloads</h2>
<p>${countText(last30Days)} in the last 30 days, ${countText(ever)} ever, as the farm's servers have counted them.</p>
${plot({
  title: "Downloads a day",
  series: [{ name: "downloads", points }],
  from,
  to: today + DAY_MS,
  stepMs: DAY_MS,
  unit: "downloads",
  kind: "bars",
})}`;
}

function more(page: ProjectPage, site: Site): Html {
  const { name, spellings } = page;
  const badge = urlPathOf(badgeKey(name));
  const others = spellings.filter((spelling) => spelling !== name);
  return html`<ul class="more">
<li><a href="/project/${name}/json/">The same as JSON</a>, and <a href="/simple/${name}/">its page in the simple index</a></li>
${
  page.isAttempted
    ? html`<li><a href="${urlPathOf(projectFeedKey(name))}">Its builds as a feed</a></li>
<li>A badge: <img src="${badge}" alt="State of the builds of ${name}" height="20">
${badgeMarkup(page, site)}</li>
`
    : undefined
}${
  others.length === 0
    ? undefined
    : html`<li>Also written ${others.map((spelling, index) => html`${index === 0 ? undefined : ", "}<code>${spelling}</code>`)}</li>
`
}</ul>`;
}

function badgeMarkup({ name }: ProjectPage, site: Site): Html {
  const markdown = `[![wheels](${absoluteUrl(site, urlPathOf(badgeKey(name)))})](${absoluteUrl(site, `/project/${name}/`)})`;
  return html`<pre class="command"><code>${markdown}</code></pre>`;
}
