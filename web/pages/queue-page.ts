/** The queue page: what is being built, what comes next for each target and when, and what waits for what. */
import { causeSchema, causeText } from "../../protocol/model/cause.ts";
import type { QueuedBuild, QueuePage, TargetQueue } from "../../protocol/model/farm-page.ts";
import { type Html, html } from "../html.ts";
import { layout } from "./layout.ts";
import type { Site } from "./site.ts";
import { countText, dateText, durationText, estimateText, instantText } from "./words.ts";

const HOUR_MS = 3_600_000;

const rules: Record<QueuePage["rule"], string> = {
  newest: "the newest releases first",
  oldest: "the oldest releases first",
  popular: "the most downloaded packages first",
};

export function renderQueuePage(page: QueuePage, site: Site): string {
  const { queue } = page;
  return layout(
    site,
    "Queue",
    html`<h1>The build queue</h1>
<p class="lead">What was asked for with a priority comes first, then ${rules[page.rule]}. A version is tried for one target first, and for the others when that has shown that they need wheels of their own.</p>
<dl class="numbers">
${number("Building", queue.leased)}
${number("Queued", queue.ready)}
${number("To be retried", queue.waiting)}
${number("Blocked", queue.blocked)}
</dl>
<h2 id="building">Building now</h2>
${page.building.length === 0 ? html`<p>Nothing is being built.</p>` : buildingTable(page)}
<h2 id="next">Next</h2>
${page.targets.length === 0 ? html`<p>Nothing is queued.</p>` : page.targets.map((target) => targetSection(target, page))}
<h2 id="blockers">Blocked</h2>
${page.blockers.length === 0 ? html`<p>No build waits for another package.</p>` : blockersTable(page)}
<h2 id="retries">To be retried</h2>
${page.retries.length === 0 ? html`<p>Nothing is to be retried.</p>` : retriesTable(page)}
<p class="quiet">As of ${instantText(page.asOf)}.</p>`,
    {
      path: "/queue.html",
      description: `What ${site.name} builds now, what comes next, and what waits for what.`,
    },
  );
}

const number = (name: string, count: number): Html =>
  html`<div><dt>${name}</dt><dd>${countText(count)}</dd></div>`;

const projectLink = (name: string): Html =>
  html`<a href="/project/${encodeURIComponent(name)}/">${name}</a>`;

/** @param id of the heading that names it */
const table = (id: string, head: Html, rows: readonly Html[]): Html =>
  html`<div class="scroll tall" role="region" aria-labelledby="${id}" tabindex="0"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${rows}</tbody></table></div>`;

const buildingTable = ({ building, asOf }: QueuePage): Html =>
  table(
    "building",
    html`<th scope="col">Package</th><th scope="col">Target</th><th scope="col">Slave</th><th scope="col" class="number">For</th><th scope="col">Since</th>`,
    building.map(
      (build) =>
        html`<tr><th scope="row" class="wrap">${projectLink(build.package)} ${build.version}${build.isTrial ? html` <span class="mark" title="To see whether the slave is well: nothing of it is published">trial</span>` : undefined}</th><td>${build.target}</td><td>${build.slave}</td><td class="number">${durationText(Math.max(0, asOf - build.since))}</td><td>${instantText(build.since)}</td></tr>
`,
    ),
  );

function targetSection(target: TargetQueue, { rule }: QueuePage): Html {
  const id = `next-${target.target.replaceAll(/[^A-Za-z0-9]/g, "-")}`;
  return html`<h3 id="${id}">${target.target}</h3>
<p>${countText(target.ready)} queued, ${countText(target.leased)} being built. ${paceOf(target)}</p>
${
  target.next.length === 0
    ? undefined
    : html`<details${target.next.length <= 20 ? html` open` : undefined}><summary>${target.next.length < target.ready ? `The first ${target.next.length}` : "All of them"}</summary>${table(
        id,
        html`<th scope="col" class="number">Place</th><th scope="col">Package</th><th scope="col">Why here</th><th scope="col">When</th>`,
        target.next.map((build, index) => queuedRow(build, index + 1, target, rule)),
      )}</details>`
}`;
}

function paceOf({ slaves, buildsPerHour, ready }: TargetQueue): string {
  if (slaves === 0) return "No slave builds for it now.";
  const slots = slaves === 1 ? "1 slave" : `${countText(slaves)} slaves`;
  if (buildsPerHour === null) return `${slots}; how fast they are is not known yet.`;
  const pace = buildsPerHour < 10 ? buildsPerHour.toFixed(1) : countText(buildsPerHour);
  return `${slots}, about ${pace} builds an hour: the last of them ${estimateText((ready / buildsPerHour) * HOUR_MS)}.`;
}

function queuedRow(
  build: QueuedBuild,
  place: number,
  { buildsPerHour }: TargetQueue,
  rule: QueuePage["rule"],
): Html {
  const when = buildsPerHour === null ? "–" : estimateText(((place - 1) / buildsPerHour) * HOUR_MS);
  return html`<tr><td class="number">${countText(place)}</td><th scope="row" class="wrap">${projectLink(build.package)} ${build.version}</th><td>${reasonOf(build, rule)}</td><td>${when}</td></tr>
`;
}

function reasonOf(build: QueuedBuild, rule: QueuePage["rule"]): string {
  if (build.priority !== 0) return `priority ${build.priority}`;
  if (rule === "popular")
    return build.popularity === 0
      ? "no downloads known"
      : `more than ${countText(2 ** (build.popularity - 1))} downloads`;
  return build.releasedAt === null
    ? "no date of release"
    : `released ${dateText(build.releasedAt)}`;
}

const blockersTable = ({
  blockers,
}: QueuePage): Html => html`<p>Builds that need what no index has go on by themselves when it comes. These hold up most:</p>
${table(
  "blockers",
  html`<th scope="col">Needed</th><th scope="col" class="number">Versions that wait</th><th scope="col">Asked for as</th>`,
  blockers.map(
    ({ name, versions, requirement, isKnown }) =>
      html`<tr><th scope="row" class="wrap">${isKnown ? projectLink(name) : name}</th><td class="number">${countText(versions)}</td><td class="wrap">${requirement}</td></tr>
`,
  ),
)}`;

const retriesTable = ({ retries, asOf }: QueuePage): Html =>
  table(
    "retries",
    html`<th scope="col">Package</th><th scope="col">Target</th><th scope="col">Why</th><th scope="col" class="number">Tried</th><th scope="col">Again</th>`,
    retries.map((retry) => {
      const cause = causeSchema.safeParse(retry.cause);
      const tried = retry.attempts === 1 ? "once" : `${countText(retry.attempts)} times`;
      return html`<tr><th scope="row" class="wrap">${projectLink(retry.package)} ${retry.version}</th><td>${retry.target}</td><td class="wrap">${cause.success ? causeText[cause.data] : retry.cause}</td><td class="number">${tried}</td><td>${retry.at <= asOf ? "now" : instantText(retry.at)}</td></tr>
`;
    }),
  );
