/** All slaves, by what they build for and by label; and how many are in which state. */
import { type Html, html } from "../../html.ts";
import { countText } from "../../pages/words.ts";
import type { Picture, SlaveSeen } from "../contract.ts";
import { allSlavesButtons, slaveButtons } from "../orders.ts";
import { type Piece, row, spot } from "../piece.ts";
import {
  orderButtons,
  percentText,
  projectLink,
  since,
  slaveLink,
  slaveStates,
  toned,
} from "../words.ts";
import type { Visitor } from "./frame.ts";
import { alerts } from "./overview.ts";

export const slavesPieces = (picture: Picture, { mayControl }: Visitor): Piece[] => [
  alerts(picture),
  states(picture.slaves),
  ...picture.slaves.map((slave) => slaveRow(slave, mayControl)),
];

function states(slaves: readonly SlaveSeen[]): Piece {
  const counts = new Map<SlaveSeen["state"], number>();
  for (const { state } of slaves) counts.set(state, (counts.get(state) ?? 0) + 1);
  return spot(
    "states",
    html`<ul class="facts"><li><strong>${countText(slaves.length)}</strong> slaves</li>${[...counts]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(
        ([state, count]) =>
          html`<li><strong data-state="${state}">${countText(count)}</strong> ${slaveStates[state].text}</li>`,
      )}</ul>`,
  );
}

/** Of those who may control, and of those who may not. */
const known = { true: new WeakMap<SlaveSeen, Piece>(), false: new WeakMap<SlaveSeen, Piece>() };

/** A slave that has not changed is the same object, and has the same row. */
function slaveRow(slave: SlaveSeen, mayControl: boolean): Piece {
  const rows = known[mayControl ? "true" : "false"];
  let piece = rows.get(slave);
  if (piece === undefined) {
    piece = makeRow(slave, mayControl);
    rows.set(slave, piece);
  }
  return piece;
}

function makeRow(slave: SlaveSeen, mayControl: boolean): Piece {
  const { id, label, state, sinceAt, asleep, build, stats } = slave;
  const targets = slave.facts?.targets ?? [];
  const { text, tone } = slaveStates[state];
  const sleeps = asleep !== null && state !== "asleep" ? " (to sleep)" : "";
  const task =
    build === null
      ? undefined
      : html`${projectLink(build.package)} ${build.version} <a href="/farm/builds/${build.token}" aria-label="Log of ${build.package} ${build.version}, ${build.target}">log</a>`;
  const orders = mayControl
    ? html`<td>${orderButtons(slaveButtons({ id, label, isAsleep: asleep !== null }), label)}</td>`
    : undefined;
  return row(
    "slaves",
    id,
    `${targets[0] ?? ""}\t${label}\t${id}`,
    html`<th scope="row" class="wrap">${slaveLink(label, id)}</th><td>${targets[0] ?? "–"}${targets.length > 1 ? ` +${targets.length - 1}` : ""}</td><td>${toned(tone, text + sleeps)}</td><td>${since(sinceAt)}</td><td class="wrap">${task}</td><td class="number">${stats === null ? "–" : stats.loadAverage.toFixed(2)}</td><td class="number">${stats === null || stats.memorySizeBytes === 0 ? "–" : percentText(stats.memoryFreeBytes / stats.memorySizeBytes)}</td><td class="number">${stats === null || stats.diskSizeBytes === 0 ? "–" : percentText(stats.diskFreeBytes / stats.diskSizeBytes)}</td>${orders}`,
  );
}

export const slavesBody = (
  shown: (key: string) => Html,
  { mayControl }: Visitor,
): Html => html`<h1>Slaves</h1>
${shown("alerts")}
${shown("states")}
<p class="filter"><label>Show those with <input id="filter" data-filters="slaves" type="search" autocomplete="off" spellcheck="false" placeholder="a label, a target, a state"></label></p>
<div class="scroll" tabindex="0" role="region" aria-label="Slaves"><table>
<thead><tr><th scope="col">Slave</th><th scope="col">Target</th><th scope="col">State</th><th scope="col">For</th><th scope="col">Build</th><th scope="col" class="number">Load</th><th scope="col" class="number">Memory free</th><th scope="col" class="number">Disk free</th>${mayControl ? html`<th scope="col">Orders</th>` : undefined}</tr></thead>
<tbody data-list="slaves" data-empty="No slave has been here yet.">${shown("slaves")}</tbody></table></div>
${mayControl ? html`<p class="all-orders">${orderButtons(allSlavesButtons)}</p>` : undefined}`;
