/** Builds as they happen: those in hand, and those that ended last; on their own page and as parts of others. */
import type { EndedBuild } from "../../../protocol/model/status.ts";
import { type Html, html } from "../../html.ts";
import { durationText } from "../../pages/words.ts";
import { builders, type Picture, type SlaveSeen } from "../contract.ts";
import { newestFirst, type Piece, row } from "../piece.ts";
import { logLink, outcome, projectLink, since, slaveLink, when } from "../words.ts";

const ENDED_SHOWN = 100;

export const buildsPieces = ({ slaves, ended }: Picture): Piece[] => [
  ...buildingRows(slaves),
  ...endedRows(ended.slice(0, ENDED_SHOWN)),
];

export const buildingRows = (slaves: readonly SlaveSeen[]): Piece[] =>
  builders(slaves).map(({ id, label, build, says }) =>
    row(
      "building",
      build.token,
      newestFirst(build.sinceAt),
      html`<th scope="row" class="wrap">${projectLink(build.package)} ${build.version}</th><td>${build.target}</td><td class="wrap">${slaveLink(label, id)}</td><td>${since(build.sinceAt)}</td><td class="wrap">${saying(says)}</td><td>${logLink(build)}</td>`,
    ),
  );

/** A word of the runner, and what it adds. */
export const saying = (says: SlaveSeen["says"]): string =>
  says === null ? "" : says.text === "" ? says.status : `${says.status}: ${says.text}`;

export const endedRows = (ended: readonly EndedBuild[]): Piece[] => ended.map(endedRow);

/** An ended build never changes. */
const known = new WeakMap<EndedBuild, Piece>();
function endedRow(build: EndedBuild): Piece {
  let piece = known.get(build);
  if (piece === undefined) {
    piece = row(
      "ended",
      build.token,
      `${newestFirst(build.endedAt)} ${newestFirst(build.token)}`,
      html`<th scope="row" class="wrap">${projectLink(build.package)} ${build.version}</th><td class="outcome">${outcome(build)}</td><td>${build.target}</td><td class="wrap">${slaveLink(build.slave, build.slaveId)}</td><td>${durationText(build.durationMs)}</td><td>${when(build.endedAt)}</td><td>${logLink(build)}</td>`,
    );
    known.set(build, piece);
  }
  return piece;
}

/** @param rows as the page is first shown */
export const buildingTable = (rows: Html): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="Builds in hand"><table>
<thead><tr><th scope="col">Building</th><th scope="col">Target</th><th scope="col">Slave</th><th scope="col">For</th><th scope="col">Says</th><th scope="col"><span class="unseen">Log</span></th></tr></thead>
<tbody data-list="building" data-empty="No build is in hand.">${rows}</tbody></table></div>`;

export const endedTable = (rows: Html): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="Builds that ended"><table>
<thead><tr><th scope="col">Build</th><th scope="col">Outcome</th><th scope="col">Target</th><th scope="col">Slave</th><th scope="col">Took</th><th scope="col">Ended</th><th scope="col"><span class="unseen">Log</span></th></tr></thead>
<tbody data-list="ended" data-empty="None has ended while this was watched.">${rows}</tbody></table></div>`;

export const buildsBody = (shown: (key: string) => Html): Html => html`<h1>Builds</h1>
<h2>In hand</h2>
${buildingTable(shown("building"))}
<h2>Ended last</h2>
${endedTable(shown("ended"))}`;
