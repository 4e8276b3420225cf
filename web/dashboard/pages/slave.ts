/** One slave: what it is, what it does, how its machine was, and what it built. */
import { type Html, html } from "../../html.ts";
import { sizeText } from "../../pages/words.ts";
import type { Picture, SlaveSeen } from "../contract.ts";
import { slaveButtons } from "../orders.ts";
import { type Piece, spot } from "../piece.ts";
import { orderButtons, projectLink, since, slaveStates, toned } from "../words.ts";
import { endedRows, endedTable, saying } from "./builds.ts";
import type { Visitor } from "./frame.ts";
import { alerts } from "./overview.ts";
import { figurePlot, spanChoice } from "./plots.ts";

export function slavePieces(picture: Picture, { mayControl }: Visitor, id: number): Piece[] {
  const slave = picture.slaves.find((each) => each.id === id);
  return [
    alerts(picture),
    slave === undefined
      ? spot("slave", html`<p class="lead">It is not known any more.</p>`)
      : about(slave, mayControl),
    ...endedRows(picture.ended.filter(({ slaveId }) => slaveId === id)),
  ];
}

function about(slave: SlaveSeen, mayControl: boolean): Piece {
  const { id, label, state, sinceAt, asleep, build, stats, heardAt, connectedAt } = slave;
  const { hostname = "", version = "", os = "", board = "", targets = [] } = slave.facts ?? {};
  const { text, tone } = slaveStates[state];
  const doing =
    build === null
      ? undefined
      : html`<p class="lead">Builds ${projectLink(build.package)} ${build.version} for ${build.target}, ${since(build.sinceAt)}${slave.says === null ? "" : `: ${saying(slave.says)}`}. <a href="/farm/builds/${build.token}">Its log</a></p>`;
  const of = (free: number, size: number): string =>
    size === 0 ? "–" : `${sizeText(free)} of ${sizeText(size)}`;
  const machine =
    stats === null
      ? undefined
      : html`<dl class="numbers"><div><dt>Load</dt><dd>${stats.loadAverage.toFixed(2)}</dd></div><div><dt>Memory free</dt><dd>${of(stats.memoryFreeBytes, stats.memorySizeBytes)}</dd></div><div><dt>Swap free</dt><dd>${of(stats.swapFreeBytes, stats.swapSizeBytes)}</dd></div><div><dt>Disk free</dt><dd>${of(stats.diskFreeBytes, stats.diskSizeBytes)}</dd></div><div><dt>Temperature</dt><dd>${stats.temperatureC === null ? "–" : `${stats.temperatureC.toFixed(0)} °C`}</dd></div></dl>`;
  const facts = [
    ["host", hostname],
    ["system", os],
    ["board", board],
    ["version", version],
    ["builds for", targets.join(", ")],
  ].filter(([, value]) => value !== "");
  return spot(
    "slave",
    html`<ul class="facts"><li>${toned(tone, text)} ${since(sinceAt)}</li>${facts.map(([name, value]) => html`<li>${name} <strong>${value}</strong></li>`)}${connectedAt === null ? undefined : html`<li>connected ${since(connectedAt)}</li>`}${heardAt === null ? undefined : html`<li>figures ${since(heardAt)}</li>`}</ul>
${asleep === null ? undefined : html`<p class="notice">It is given no builds: ${asleep.why}</p>`}${doing}${machine}
${mayControl ? html`<p>${orderButtons(slaveButtons({ id, label, isAsleep: asleep !== null }))}</p>` : undefined}`,
  );
}

export const slaveBody = (
  shown: (key: string) => Html,
  { id, label }: SlaveSeen,
): Html => html`<h1>${label}</h1>
${shown("alerts")}
${shown("slave")}
<h2 id="history">History</h2>
${spanChoice}
<div class="plots">
${figurePlot({ title: "Load", kind: "slave", subject: id, figures: [["loadAverage", "Load"]], unit: "" })}
${figurePlot({
  title: "Memory",
  kind: "slave",
  subject: id,
  figures: [
    ["memoryFreeBytes", "Free"],
    ["memorySizeBytes", "There is"],
  ],
  unit: "bytes",
})}
${figurePlot({
  title: "Disk",
  kind: "slave",
  subject: id,
  figures: [
    ["diskFreeBytes", "Free"],
    ["diskSizeBytes", "There is"],
  ],
  unit: "bytes",
})}
${figurePlot({ title: "Temperature", kind: "slave", subject: id, figures: [["temperatureC", "Temperature"]], unit: "°C" })}
</div>
<h2>Built last</h2>
${endedTable(shown("ended"))}`;
