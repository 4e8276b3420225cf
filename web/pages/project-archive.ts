/**
 * The archive of a project with more releases than its page shows: all of them with their files, a page for so many.
 * Page 1 has the oldest, so that a page that is full stays what it is when newer releases come.
 */
import type { ProjectPage, ProjectRelease } from "../../protocol/model/project-page.ts";
import { html } from "../html.ts";
import { layout } from "./layout.ts";
import { filesOf, fileTable } from "./project-files.ts";
import { archivePath } from "./project-page.ts";
import { problemsOf } from "./project-problems.ts";
import { releaseKey, releaseTable } from "./project-releases.ts";
import type { Site } from "./site.ts";

/** Files of one page; honest ones have far fewer, and the simple index has all. */
const MAX_FILES = 2_000;

/** @param releases those of the page, newest first */
export function renderArchivePage(
  project: ProjectPage,
  page: { readonly number: number; readonly count: number },
  releases: readonly ProjectRelease[],
  site: Site,
): string {
  const { name, displayName } = project;
  const [newest, oldest] = [releases.at(0), releases.at(-1)];
  const range = `${oldest?.version ?? ""} to ${newest?.version ?? ""}`;
  const problems = problemsOf(project, releases);
  const files = filesOf(releases);
  const newer =
    page.number < page.count
      ? html`<a href="${archivePath(name, page.number + 1)}" rel="prev">Newer</a> `
      : undefined;
  const older =
    page.number > 1
      ? html`<a href="${archivePath(name, page.number - 1)}" rel="next">Older</a>`
      : undefined;
  return layout(
    site,
    `${displayName}, releases ${range}`,
    html`<div data-project="${name}">
<p class="quiet"><a href="/project/${name}/">${displayName}</a></p>
<h1>Releases ${range}</h1>
<p>Page ${page.number} of ${page.count}. ${newer}${older}</p>
<h2>Releases</h2>
${releaseTable(releases, project.targets, "Releases and what was built of them")}
${releaseKey(releases)}
${problems === undefined ? undefined : html`<h2>What is not built, and why</h2>\n${problems}`}
<h2>Files</h2>
${files.length === 0 ? html`<p>None of these releases has a file.</p>` : fileTable(name, files.slice(0, MAX_FILES), "Files")}
${files.length > MAX_FILES ? html`<p>There are more: <a href="/simple/${name}/">all files in the index</a>.</p>` : undefined}
</div>`,
    { path: archivePath(name, page.number), scripts: ["log-links.js"] },
  );
}
