/** The tables of a project's files, on its page and in its archive. */
import type { ProjectFile, ProjectRelease } from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";
import { urlPathOf, wheelKey } from "../public-key.ts";
import { yankedMark } from "./project-releases.ts";
import { dateText, sizeText } from "./words.ts";

interface Listed {
  readonly file: ProjectFile;
  readonly release: ProjectRelease;
}

/** In the order of the releases, newest first. */
export const filesOf = (releases: readonly ProjectRelease[]): readonly Listed[] =>
  releases.flatMap((release) => release.files.map((file) => ({ file, release })));

export const fileTable = (
  project: string,
  files: readonly Listed[],
  label: string,
): Html => html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table class="files">
<thead><tr><th scope="col">File</th><th scope="col">Size</th><th scope="col">Python</th><th scope="col">Built</th><th scope="col">SHA-256</th></tr></thead>
<tbody>
${files.map((listed) => fileRow(project, listed))}</tbody>
</table></div>
`;

function fileRow(project: string, { file, release }: Listed): Html {
  const marks = [
    release.isPrerelease ? html` <span class="mark">pre-release</span>` : undefined,
    yankedMark(release.yanked),
    file.suspicious === null
      ? undefined
      : html` <span class="mark bad" title="${file.suspicious}">suspicious</span>`,
  ];
  const why =
    file.suspicious === null ? undefined : html`<span class="quiet odd">${file.suspicious}</span>`;
  return html`<tr><th scope="row"><a href="${urlPathOf(wheelKey(project, file.filename))}#sha256=${file.sha256}">${file.filename}</a>${marks}${why}</th><td class="figure">${sizeText(file.sizeBytes)}</td><td>${file.requiresPython ?? "any"}</td><td>${dateText(file.uploadedAt)}</td><td><code title="${file.sha256}">${file.sha256.slice(0, 12)}…</code></td></tr>
`;
}
