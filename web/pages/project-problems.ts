/**
 * Why some of a project's releases are not built: grouped by reason, each with a sentence on what happened and what
 * can be done, then the releases and targets that it concerns with what their builds said.
 */
import { type Cause, verdictOf } from "../../protocol/model/cause.ts";
import type {
  Need,
  ProjectPage,
  ProjectRelease,
  ReleaseBuild,
} from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { projectLink } from "./project-link.ts";
import { causeReasons, type Reason, skipReasonOf, unwantedReason } from "./project-reasons.ts";
import { countText, instantText, type Tone, toneOf } from "./words.ts";

/** Of one reason: so many are shown, so many more are folded, and all others are in the archive and the JSON. */
const ITEMS_SHOWN = 6;
const ITEMS_FOLDED = 60;

interface Item {
  readonly version: string;
  readonly builds: readonly ReleaseBuild[];
}
interface Group {
  readonly reason: Reason;
  readonly tone: Tone;
  readonly items: Item[];
}

const skipTone: Tone = { name: "calm", sign: "–" };

/** Undefined where there is nothing to explain. */
export function problemsOf(
  page: Pick<ProjectPage, "upstreamBase">,
  releases: readonly ProjectRelease[],
): Html | undefined {
  const groups = [...buildGroups(releases).values(), ...skipGroups(releases).values()];
  if (groups.length === 0) return undefined;
  return html`${groups.map((group) => groupOf(group, page.upstreamBase))}`;
}

/** By cause; the targets of a release that say the same are one item. */
function buildGroups(releases: readonly ProjectRelease[]): Map<Cause, Group> {
  const groups = new Map<Cause, Group>();
  for (const { version, builds } of releases) {
    const items = new Map<string, { cause: Cause; builds: ReleaseBuild[] }>();
    for (const build of builds) {
      const { cause, state, message, needs } = build;
      if (cause === null || !isTrouble(build)) continue;
      const needed = needs.map(({ requirement }) => requirement).join("\n");
      const key = [state, cause, message, needed].join("\n");
      const item = items.get(key) ?? { cause, builds: [] };
      item.builds.push(build);
      items.set(key, item);
    }
    for (const { cause, builds: same } of items.values()) {
      const group = groups.get(cause) ?? {
        reason: causeReasons[cause],
        tone: toneOf(cause),
        items: [],
      };
      group.items.push({ version, builds: same });
      groups.set(cause, group);
    }
  }
  return groups;
}

/** What was tried, and is not well or is tried again for a reason. */
const isTrouble = ({ state, cause }: ReleaseBuild): boolean =>
  state === "failed" ||
  state === "blocked" ||
  ((state === "waiting" || state === "ready") && cause !== null && verdictOf(cause) !== "success");

function skipGroups(releases: readonly ProjectRelease[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const { version, skipReason, isWanted } of releases) {
    if (skipReason === null && isWanted) continue;
    const key = skipReason ?? "";
    const group = groups.get(key) ?? {
      reason: skipReason === null ? unwantedReason : skipReasonOf(skipReason, "release"),
      tone: skipTone,
      items: [],
    };
    group.items.push({ version, builds: [] });
    groups.set(key, group);
  }
  return groups;
}

function groupOf({ reason, tone, items }: Group, upstreamBase: string | null): Html {
  const head = html`<h3><span class="${tone.name}" aria-hidden="true">${tone.sign}</span> ${reason.title}</h3>
<p>${reason.what} ${reason.advice}</p>
`;
  if (items.every(({ builds }) => builds.length === 0)) {
    const shown = items.slice(0, ITEMS_FOLDED).map(({ version }) => version);
    const more = items.length - shown.length;
    return html`<section class="reason">${head}<p class="versions">${shown.map((version, index) => html`${index === 0 ? undefined : ", "}${version}`)}${more > 0 ? ` and ${countText(more)} more` : undefined}</p></section>
`;
  }
  const lines = items.map((item) => itemOf(item, upstreamBase));
  const folded = lines.slice(ITEMS_SHOWN, ITEMS_SHOWN + ITEMS_FOLDED);
  const left = lines.length - ITEMS_SHOWN - folded.length;
  return html`<section class="reason">${head}<ul>
${lines.slice(0, ITEMS_SHOWN)}</ul>
${
  folded.length === 0
    ? undefined
    : html`<details><summary>${countText(folded.length)} more</summary><ul>
${folded}</ul>${left > 0 ? html`<p class="quiet">${countText(left)} further ones are in the table.</p>` : undefined}</details>`
}</section>
`;
}

function itemOf({ version, builds }: Item, upstreamBase: string | null): Html {
  const [first] = builds;
  const needs = first?.needs ?? [];
  const targets = builds.map((build, index) => {
    const comma = index === 0 ? undefined : ", ";
    return build.logToken === null
      ? html`${comma}${build.target}`
      : html`${comma}<a href="${urlPathOf(logKey(build.logToken))}" title="The log of this build">${build.target}</a>`;
  });
  const message =
    first === undefined || first.message === ""
      ? undefined
      : html`<code class="said">${first.message}</code>`;
  const waits =
    needs.length === 0
      ? undefined
      : html`<span class="quiet waits">waits for ${needs.map((need, index) => html`${index === 0 ? undefined : ", "}${needLink(need, upstreamBase)}`)}</span>`;
  return html`<li><strong>${version}</strong> for ${targets}${triesOf(builds)}${waits}${message}</li>
`;
}

/** The requirement as it was written, with the project that it names as a link. */
const needLink = ({ requirement, name, isHere }: Need, upstreamBase: string | null): Html =>
  projectLink({ name, text: requirement, isHere }, upstreamBase);

function triesOf(builds: readonly ReleaseBuild[]): Html | undefined {
  const most = Math.max(...builds.map(({ attempts }) => attempts));
  const next = builds.find(({ notBefore }) => notBefore !== null)?.notBefore ?? null;
  const parts = [
    most > 1 ? `tried ${countText(most)} times` : "",
    next === null ? "" : `again from ${instantText(next)} on`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? undefined : html` <span class="quiet">(${parts.join(", ")})</span>`;
}
