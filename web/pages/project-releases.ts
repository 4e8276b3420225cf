/**
 * The table of a project's releases by target, on its page and in its archive. Columns are grouped by platform, and
 * under it by interpreter; with many of them a cell is a sign alone, whose word is there for screen readers.
 */
import {
  type ProjectRelease,
  type ProjectTarget,
  type ReleaseBuild,
  releaseBuildStates,
} from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { stateReasons } from "./project-reasons.ts";
import { dateText, stateWords } from "./words.ts";

/** With more targets than these the words would be wider than a screen. */
const WORDY_TARGETS = 5;

interface Platform {
  readonly name: string;
  readonly targets: readonly ProjectTarget[];
}

/** In the order in which they come first; within one the targets stay in theirs. */
export function platformsOf(targets: readonly ProjectTarget[]): readonly Platform[] {
  const platforms = new Map<string, ProjectTarget[]>();
  for (const target of targets) {
    const list = platforms.get(target.platformTag) ?? [];
    list.push(target);
    platforms.set(target.platformTag, list);
  }
  return [...platforms].map(([name, list]) => ({ name, targets: list }));
}

/** `cp311` of `cp311-linux_x86_64`. */
export const interpreterOf = ({ name }: Pick<ProjectTarget, "name">): string =>
  name.split("-", 1)[0] ?? name;

/** @param label of the table, for who cannot see where it stands */
export function releaseTable(
  releases: readonly ProjectRelease[],
  targets: readonly ProjectTarget[],
  label: string,
): Html {
  const platforms = platformsOf(targets);
  const columns = platforms.flatMap((platform) => platform.targets);
  const isTerse = columns.length > WORDY_TARGETS;
  const groups = platforms.map(
    ({ name, targets: list }) => html`<th scope="colgroup" colspan="${list.length}">${name}</th>`,
  );
  const heads = platforms.map(({ targets: list }) =>
    list.map(
      (target, index) =>
        html`<th scope="col"${index === 0 ? html` class="first"` : undefined} title="Python ${target.pythonVersion}${target.skipReason === null ? "" : `, not built any more: ${target.skipReason}`}">${interpreterOf(target)}${target.skipReason === null ? undefined : html`<span class="unseen"> (not built any more)</span>`}</th>`,
    ),
  );
  const starts = new Set(platforms.map((platform) => platform.targets[0]?.name));
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table class="releases${isTerse ? " terse" : ""}">
<thead>
<tr><th scope="col" rowspan="2">Release</th><th scope="col" rowspan="2">Date</th>${groups}</tr>
<tr>${heads}</tr>
</thead>
<tbody>
${releases.map((release) => releaseRow(release, columns, starts, isTerse))}</tbody>
</table></div>
`;
}

function releaseRow(
  release: ProjectRelease,
  columns: readonly ProjectTarget[],
  starts: ReadonlySet<string | undefined>,
  isTerse: boolean,
): Html {
  const builds = new Map(release.builds.map((build) => [build.target, build]));
  const date =
    release.releasedAt === null ? undefined : html`<time>${dateText(release.releasedAt)}</time>`;
  return html`<tr><th scope="row">${release.version}${releaseMarks(release)}</th><td>${date}</td>${columns.map(
    ({ name }) =>
      html`<td${starts.has(name) ? html` class="first"` : undefined}>${buildCell(builds.get(name), isTerse)}</td>`,
  )}</tr>
`;
}

export function releaseMarks(release: ProjectRelease): readonly (Html | undefined)[] {
  return [
    release.isPrerelease ? html` <span class="mark">pre-release</span>` : undefined,
    yankedMark(release.yanked),
    release.skipReason === null
      ? undefined
      : html` <span class="mark">${release.skipReason}</span>`,
    release.isWanted ? undefined : html` <span class="mark">not asked for</span>`,
  ];
}

export const yankedMark = (yanked: string | null): Html | undefined =>
  yanked === null
    ? undefined
    : html` <span class="mark bad"${yanked === "" ? undefined : html` title="${yanked}"`}>yanked</span>`;

function buildCell(build: ReleaseBuild | undefined, isTerse: boolean): Html | undefined {
  if (build === undefined) return undefined;
  const { text, tone } = stateWords[build.state];
  const word = isTerse ? html`<span class="unseen">${text}</span>` : html` ${text}`;
  const hint = build.message === "" || tone.name === "good" ? text : `${text}: ${build.message}`;
  const title = isTerse || build.message !== "" ? html` title="${hint}"` : undefined;
  const inner = html`<span aria-hidden="true">${tone.sign}</span>${word}`;
  if (build.logToken === null)
    return html`<span class="state ${tone.name}"${title}>${inner}</span>`;
  return html`<a class="state ${tone.name}" href="${urlPathOf(logKey(build.logToken))}"${title}>${inner}</a>`;
}

/** What the signs mean that these releases show; undefined where they show none. */
export function releaseKey(releases: readonly ProjectRelease[]): Html | undefined {
  const shown = new Set(releases.flatMap(({ builds }) => builds.map(({ state }) => state)));
  const states = releaseBuildStates.filter((state) => shown.has(state));
  if (states.length === 0) return undefined;
  return html`<ul class="key" aria-label="What the signs mean">
${states.map((state) => {
  const { text, tone } = stateWords[state];
  return html`<li><span class="state ${tone.name}"><span aria-hidden="true">${tone.sign}</span> ${text}</span> ${stateReasons[state]}</li>
`;
})}</ul>
`;
}
