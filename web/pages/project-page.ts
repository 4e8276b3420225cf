/**
 * The page of one project: how to install it, what was built for which target with the log of
 * each build, and its files. Every spelling of the name leads here; the canonical one is the address.
 */
import type {
  ProjectFile,
  ProjectPage,
  ProjectRelease,
  ReleaseBuild,
} from "../../protocol/model/page.ts";
import { findWebUrl, type Html, html } from "../html.ts";
import { logKey, urlPathOf, wheelKey } from "../public-key.ts";
import { layout } from "./layout.ts";
import { pipOptionsFor, type Site } from "./site.ts";
import { countText, dateText, sizeText, stateWords } from "./words.ts";

export function renderProjectPage(page: ProjectPage, site: Site): string {
  const upstream = findWebUrl(page.upstreamUrl);
  return layout(
    site,
    page.displayName,
    html`<h1>${page.displayName}</h1>
${page.summary === "" ? undefined : html`<p class="lead">${page.summary}</p>`}
${page.skipReason === null ? undefined : html`<p class="notice">The farm does not build this package: ${page.skipReason}.</p>`}
${upstream === undefined ? undefined : html`<p><a href="${upstream}" rel="noopener nofollow">The project upstream</a></p>`}
<h2>Install</h2>
${page.files.length === 0 ? html`<p>There is no wheel of this project here yet.</p>` : installation(page, site)}
<h2>Releases</h2>
${page.releases.length === 0 ? html`<p>No release is known.</p>` : releaseTable(page)}
<h2>Files</h2>
${page.files.length === 0 ? html`<p>No file has been published.</p>` : fileTable(page)}
${page.downloads.ever === 0 ? undefined : html`<p class="quiet">Downloaded ${countText(page.downloads.last30Days)} times in 30 days and ${countText(page.downloads.ever)} times ever, as of when this page was written.</p>`}`,
  );
}

function installation(page: ProjectPage, site: Site): Html {
  const packages = systemPackagesOf(page.files);
  const system =
    packages.length === 0
      ? undefined
      : html`<p>Its newest wheels need libraries of the system. On Debian and its kin:</p>
<pre class="command"><code>sudo apt install ${packages.join(" ")}</code></pre>`;
  return html`<pre class="command"><code>pip install ${pipOptionsFor(site)} ${page.name}</code></pre>
${system}`;
}

/** Those of the version that pip would choose: the newest that is neither yanked nor a pre-release. */
function systemPackagesOf(files: readonly ProjectFile[]): readonly string[] {
  const usable = files.filter((file) => file.yanked === null);
  const chosen = usable.find((file) => !file.isPrerelease) ?? usable[0];
  const names = usable
    .filter((file) => file.version === chosen?.version)
    .flatMap((file) => file.aptDependencies);
  return [...new Set(names)].sort();
}

const releaseTable = (page: ProjectPage): Html => html`<div class="scroll"><table class="releases">
<thead><tr><th scope="col">Version</th><th scope="col">Released</th>${page.targets.map((target) => html`<th scope="col">${target}</th>`)}</tr></thead>
<tbody>
${page.releases.map((release) => releaseRow(release, page.targets))}</tbody>
</table></div>`;

function releaseRow(release: ProjectRelease, targets: readonly string[]): Html {
  const builds = new Map(release.builds.map((build) => [build.target, build]));
  const marks = [
    release.isPrerelease ? html` <span class="mark">pre-release</span>` : undefined,
    yankedMark(release.yanked),
    release.skipReason === null
      ? undefined
      : html` <span class="mark">${release.skipReason}</span>`,
  ];
  const released = release.releasedAt === null ? "" : dateText(release.releasedAt);
  return html`<tr><th scope="row">${release.version}${marks}</th><td>${released}</td>${targets.map((target) => html`<td>${buildCell(builds.get(target))}</td>`)}</tr>
`;
}

function buildCell(build: ReleaseBuild | undefined): Html | undefined {
  if (build === undefined) return undefined;
  const { text, tone } = stateWords[build.state];
  const reason = build.reason === "" ? undefined : html` title="${build.reason}"`;
  const state = html`<span class="state ${tone.name}"${reason}><span aria-hidden="true">${tone.sign}</span> ${text}</span>`;
  if (build.logToken === null) return state;
  return html`<a href="${urlPathOf(logKey(build.logToken))}">${state}</a>`;
}

const suspicionMark = (why: string | null): Html | undefined =>
  why === null ? undefined : html` <span class="mark bad" title="${why}">suspicious</span>`;

const yankedMark = (yanked: string | null): Html | undefined =>
  yanked === null
    ? undefined
    : html` <span class="mark bad"${yanked === "" ? undefined : html` title="${yanked}"`}>yanked</span>`;

const fileTable = (page: ProjectPage): Html => html`<div class="scroll"><table>
<thead><tr><th scope="col">File</th><th scope="col">Size</th><th scope="col">Requires Python</th><th scope="col">Built</th><th scope="col">SHA-256</th></tr></thead>
<tbody>
${page.files.map((file) => fileRow(page.name, file))}</tbody>
</table></div>`;

function fileRow(project: string, file: ProjectFile): Html {
  const prerelease = file.isPrerelease ? html` <span class="mark">pre-release</span>` : undefined;
  return html`<tr><th scope="row"><a href="${urlPathOf(wheelKey(project, file.filename))}#sha256=${file.sha256}">${file.filename}</a>${prerelease}${yankedMark(file.yanked)}${suspicionMark(file.suspicious)}</th><td>${sizeText(file.sizeBytes)}</td><td>${file.requiresPython ?? ""}</td><td>${dateText(file.uploadedAt)}</td><td><code title="${file.sha256}">${file.sha256.slice(0, 12)}</code></td></tr>
`;
}
