/** The queue by target: what waits, what is built, how it goes; and why a package is on it or not. */
import type { PackageReport } from "../../../protocol/model/queue.ts";
import { type Html, html } from "../../html.ts";
import { countText, sizeText } from "../../pages/words.ts";
import type { Picture } from "../contract.ts";
import { type Piece, row, spot } from "../piece.ts";
import { countOrNone, projectLink } from "../words.ts";
import { alerts } from "./overview.ts";
import { figurePlot, spanChoice } from "./plots.ts";

const columns = [
  ["ready", "Queued"],
  ["leased", "Building"],
  ["waiting", "To be retried"],
  ["blocked", "Blocked"],
  ["buildsLastHour", "Last hour"],
  ["failuresLastHour", "No wheel"],
  ["builds", "In all"],
  ["failed", "Failed"],
  ["packages", "Packages"],
  ["files", "Files"],
] as const;

export function queuePieces(picture: Picture): Piece[] {
  const { farm, targets } = picture.figures;
  return [
    alerts(picture),
    ...targets.map(({ id, name, figures }, rank) =>
      row(
        "targets",
        id,
        String(rank).padStart(6, "0"),
        html`<th scope="row">${name}</th>${columns.map(([figure]) => html`<td class="number" data-figure="${figure}">${countOrNone(figures[figure])}</td>`)}<td class="number">${figures.sizeBytes === null ? "–" : sizeText(figures.sizeBytes)}</td>`,
      ),
    ),
    ...(farm === null
      ? []
      : [
          row(
            "targets",
            "all",
            "all",
            html`<th scope="row">all</th>${columns.map(([figure]) => html`<td class="number" data-figure="${figure}">${countOrNone(farm[figure])}</td>`)}<td class="number">${farm.sizeBytes === null ? "–" : sizeText(farm.sizeBytes)}</td>`,
            "sum",
          ),
        ]),
    spot(
      "known",
      farm === null
        ? html``
        : html`<p class="quiet">${countOrNone(farm.versions)} versions are known, ${countOrNone(farm.newVersionsLastHour)} of them since an hour.</p>`,
    ),
  ];
}

const STANDINGS_SHOWN = 200;

export const queueBody = (
  shown: (key: string) => Html,
  asked: { readonly name: string; readonly report: PackageReport | string | undefined },
): Html => html`<h1>Queue</h1>
${shown("alerts")}
<div class="scroll" tabindex="0" role="region" aria-label="The queue by target"><table>
<thead><tr><th scope="col">Target</th>${columns.map(([, name]) => html`<th scope="col" class="number">${name}</th>`)}<th scope="col" class="number">Size</th></tr></thead>
<tbody data-list="targets" data-empty="No figures yet.">${shown("targets")}</tbody></table></div>
${shown("known")}
<h2 id="why">Why a package is on it, or not</h2>
<form class="search-box" method="get" action="/farm/queue#why"><label for="package">Package</label><div><input id="package" name="package" type="search" autocomplete="off" spellcheck="false" maxlength="200" value="${asked.name}"> <button type="submit">Ask</button></div></form>
${asked.report === undefined ? undefined : typeof asked.report === "string" ? html`<p class="notice">${asked.report}</p>` : standings(asked.report)}
<h2 id="history">History</h2>
${spanChoice}
<div class="plots">
${figurePlot({
  title: "Queue",
  kind: "farm",
  subject: 0,
  figures: [
    ["ready", "Queued"],
    ["waiting", "To be retried"],
    ["blocked", "Blocked"],
  ],
  unit: "builds",
})}
${figurePlot({ title: "Building", kind: "farm", subject: 0, figures: [["leased", "Building"]], unit: "builds" })}
${figurePlot({ title: "Versions that came in an hour", kind: "farm", subject: 0, figures: [["newVersionsLastHour", "New"]], unit: "an hour" })}
</div>`;

function standings(report: PackageReport): Html {
  if (!report.isKnown) {
    const similar =
      report.similar.length === 0
        ? ""
        : ` Names that begin alike: ${report.similar.slice(0, 20).join(", ")}.`;
    return html`<p class="notice">The farm knows no package ${report.package}.${similar}</p>`;
  }
  const place = (position: number | null): string =>
    position === null ? `after ${countText(report.positionsCounted)}` : countText(position);
  const rows = report.standings
    .slice(0, STANDINGS_SHOWN)
    .map(
      ({ version, target, state, reason, position }) =>
        html`<tr><th scope="row">${version}</th><td>${target === "" ? "all" : target}</td><td>${state}</td><td class="wrap">${reason}</td><td class="number">${state === "ready" ? place(position) : ""}</td></tr>`,
    );
  return html`<p>${projectLink(report.package)} has ${countText(report.versions)} versions${report.isCut || report.standings.length > STANDINGS_SHOWN ? "; not all that is to be said of them is here" : ""}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Where its builds stand"><table>
<thead><tr><th scope="col">Version</th><th scope="col">Target</th><th scope="col">State</th><th scope="col">Why</th><th scope="col" class="number">Place</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}
