/** The overview: whether the farm is well, what it does, and how the last hour was. */
import { type Html, html } from "../../html.ts";
import { sizeText } from "../../pages/words.ts";
import type { Picture } from "../contract.ts";
import { type Piece, spot } from "../piece.ts";
import { countOrNone, percentText, since, toned, when } from "../words.ts";
import { buildingRows, buildingTable, endedRows, endedTable } from "./builds.ts";
import { noteItems } from "./events.ts";
import { figurePlot, spanChoice } from "./plots.ts";

const ENDED_SHOWN = 15;
const NOTES_SHOWN = 12;

export const overviewPieces = (picture: Picture): Piece[] => [
  alerts(picture),
  numbers(picture),
  ...buildingRows(picture.slaves),
  ...endedRows(picture.ended.slice(0, ENDED_SHOWN)),
  ...noteItems(picture.notes.slice(0, NOTES_SHOWN)),
];

/** What a person should know first. On every page: a picture that is old looks like one that is not. */
export function alerts(picture: Picture): Piece {
  const { connection, figures, slaves, tree } = picture;
  const { resting } = figures;
  const lines: Html[] = [];
  if (!connection.isHere)
    lines.push(
      html`<strong>The master does not answer</strong>, ${since(connection.sinceAt)}. ${connection.why === "" ? undefined : `It was said: ${connection.why}.`} What is shown is from before; it goes on by itself.`,
    );
  if (resting !== null) lines.push(html`<strong>No builds are given out:</strong> ${resting}`);
  const sleepers = slaves.filter(({ asleep }) => asleep?.by === "farm");
  for (const { label, id, asleep } of sleepers.slice(0, 5))
    lines.push(
      html`<a href="/farm/slaves/${id}">${label}</a> was put to sleep: ${asleep?.why ?? ""}`,
    );
  if (sleepers.length > 5) lines.push(html`and ${sleepers.length - 5} more slaves sleep so`);
  for (const part of tree?.silent ?? [])
    lines.push(html`the part ${part} of the master does not answer`);
  for (const { path, state, degraded } of tree?.tasks ?? []) {
    if (degraded !== undefined) lines.push(html`${path}: ${degraded.reason}`);
    else if (state === "failed") lines.push(html`${path} has failed and will be revived`);
  }
  return spot(
    "alerts",
    lines.length === 0
      ? html``
      : html`<ul class="alerts">${lines.slice(0, 20).map((line) => html`<li>${line}</li>`)}</ul>`,
  );
}

function numbers({ figures: known, slaves }: Picture): Piece {
  const { asOf, farm, master } = known;
  const here = slaves.filter(({ state }) => state !== "gone" && state !== "silent");
  const building = slaves.filter(({ build }) => build !== null);
  const figures: (readonly [name: string, value: string, key: string])[] = [
    ["Queued", countOrNone(farm?.ready), "ready"],
    ["Building", countOrNone(building.length), "building"],
    ["To be retried", countOrNone(farm?.waiting), "waiting"],
    ["Blocked", countOrNone(farm?.blocked), "blocked"],
    ["Builds in the last hour", countOrNone(farm?.buildsLastHour), "buildsLastHour"],
    ["Of them without a wheel", countOrNone(farm?.failuresLastHour), "failuresLastHour"],
    ["Slaves", countOrNone(here.length), "slaves"],
    ["Packages with files", countOrNone(farm?.packages), "packages"],
    ["Files", countOrNone(farm?.files), "files"],
    ["Size of all files", farm?.sizeBytes == null ? "–" : sizeText(farm.sizeBytes), "sizeBytes"],
    ["Builds in all", countOrNone(farm?.builds), "builds"],
    [
      "Disk free",
      master === null || master.diskSizeBytes === 0
        ? "–"
        : percentText(master.diskFreeBytes / master.diskSizeBytes),
      "disk",
    ],
  ];
  return spot(
    "numbers",
    html`<dl class="numbers">${figures.map(([name, value, key]) => html`<div><dt>${name}</dt><dd data-figure="${key}">${value}</dd></div>`)}</dl><p class="quiet">${asOf === null ? toned({ name: "busy", sign: "…" }, "the first figures are being gathered") : html`Figures of ${when(asOf)}`}</p>`,
  );
}

export const overviewBody = (shown: (key: string) => Html): Html => html`<h1>The farm</h1>
${shown("alerts")}
${shown("numbers")}
<h2>In hand</h2>
${buildingTable(shown("building"))}
<h2 id="history">History</h2>
${spanChoice}
<div class="plots">
${figurePlot({
  title: "Queue",
  kind: "farm",
  subject: 0,
  figures: [
    ["ready", "Queued"],
    ["leased", "Building"],
    ["waiting", "To be retried"],
    ["blocked", "Blocked"],
  ],
  unit: "builds",
})}
${figurePlot({
  title: "Builds of an hour",
  kind: "farm",
  subject: 0,
  figures: [
    ["buildsLastHour", "All"],
    ["failuresLastHour", "Without a wheel"],
  ],
  unit: "an hour",
})}
${figurePlot({ title: "Slaves", kind: "farm", subject: 0, figures: [["slaves", "Here"]], unit: "slaves" })}
${figurePlot({ title: "Master: load", kind: "master", subject: 0, figures: [["loadAverage", "Load"]], unit: "" })}
${figurePlot({
  title: "Master: memory",
  kind: "master",
  subject: 0,
  figures: [
    ["memoryFreeBytes", "Free"],
    ["memorySizeBytes", "There is"],
  ],
  unit: "bytes",
})}
${figurePlot({
  title: "Master: disk of the site",
  kind: "master",
  subject: 0,
  figures: [
    ["diskFreeBytes", "Free"],
    ["diskSizeBytes", "There is"],
  ],
  unit: "bytes",
})}
</div>
<h2>Ended last</h2>
${endedTable(shown("ended"))}
<h2>What happened</h2>
<ul class="notes" data-list="notes" data-empty="Nothing yet.">${shown("notes")}</ul>
<p><a href="/farm/events">More of it, and what was ordered</a></p>`;
