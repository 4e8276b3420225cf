/** What a project's newest usable release needs to run, and what its wheel was built with. */
import type { ResolvedRequirement } from "../../protocol/model/build.ts";
import type { ChosenRelease, Dependency, ProjectPage } from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";
import { projectLink } from "./project-link.ts";
import { countText } from "./words.ts";

export function dependencies(page: ProjectPage, chosen: ChosenRelease): Html {
  const always = chosen.dependencies.filter(({ extra }) => extra === null);
  const extras = new Map<string, Dependency[]>();
  for (const dependency of chosen.dependencies) {
    if (dependency.extra === null) continue;
    extras.set(dependency.extra, [...(extras.get(dependency.extra) ?? []), dependency]);
  }
  const unread = chosen.unreadDependencies;
  return html`${always.length === 0 ? html`<p>${page.displayName} ${chosen.version} needs no other Python package.</p>` : listOf(always, page)}
${[...extras].map(
  ([
    extra,
    list,
  ]) => html`<details class="extra"><summary><code>${page.name}[${extra}]</code> <span class="quiet">${countText(list.length)} more</span></summary>
${listOf(list, page)}</details>
`,
)}${unread === 0 ? undefined : html`<p class="quiet">${countText(unread)} further ${unread === 1 ? "requirement is" : "requirements are"} not shown: what the metadata says there cannot be read, or it is too much.</p>`}`;
}

const listOf = (
  list: readonly Dependency[],
  { upstreamBase }: ProjectPage,
): Html => html`<ul class="needs">
${list.map(
  (dependency) =>
    html`<li>${projectLink(dependency, upstreamBase)}${dependency.marker === "" ? undefined : html` <span class="quiet">if ${dependency.marker}</span>`}</li>
`,
)}</ul>
`;

export const builtWith = (
  requirements: readonly ResolvedRequirement[],
): Html => html`<p>${requirements.map(({ name, version }, index) => html`${index === 0 ? undefined : ", "}<code>${name} ${version}</code>`)}</p>
<details><summary>Their hashes</summary>
<div class="scroll" role="region" aria-label="Hashes of what was installed for the build" tabindex="0"><table>
<thead><tr><th scope="col">Package</th><th scope="col">Version</th><th scope="col">SHA-256</th></tr></thead>
<tbody>
${requirements.map(
  ({ name, version, sha256 }) =>
    html`<tr><th scope="row">${name}</th><td>${version}</td><td>${sha256 === null ? "not known" : html`<code>${sha256}</code>`}</td></tr>
`,
)}</tbody>
</table></div></details>
`;
