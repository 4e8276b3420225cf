/**
 * The one plot of the site: figures over time, drawn on the server as SVG, so that it needs no script and no
 * inline style. Text keeps its size at any width: the labels are in percent of the whole, and only the curves
 * are stretched. Who cannot see it has the title in words, and the numbers as a table.
 */
import { type Html, html } from "../html.ts";
import { countText, dateText, instantText, shortCountText, sizeText } from "./words.ts";

export interface PlotPoint {
  /** The beginning of its step, in ms since 1970. */
  readonly at: number;
  /** Null: not known, which is a gap. */
  readonly value: number | null;
}

export interface PlotSeries {
  readonly name: string;
  /** In order of time. */
  readonly points: readonly PlotPoint[];
}

export interface PlotOptions {
  readonly title: string;
  /** Four at most: there are as many colours. The first one is filled. */
  readonly series: readonly PlotSeries[];
  /** What is shown, in ms since 1970. Points outside are left out. */
  readonly from: number;
  readonly to: number;
  /** How far apart points are; a longer pause is a gap. */
  readonly stepMs: number;
  /** `bytes` are shown as sizes. Anything else is the unit in words, `builds an hour`. */
  readonly unit: string;
  /** Default `lines`. Bars are as wide as a step. */
  readonly kind?: "lines" | "bars";
}

const HEIGHT = 190;
/** Where the curves are; the names of times are below. */
const TOP = 14;
const BASE = 164;
/** Left of the curves are the names of values. */
const MARGIN = 52;
/** The curves' own coordinates: as wide as this, and stretched to the width that there is. */
const WIDTH = 1_000;

const MAX_SERIES = 4;
const TABLE_ROWS = 31;

export function plot(options: PlotOptions): Html {
  const { title, from, to, unit, stepMs, kind = "lines" } = options;
  const series = options.series.slice(0, MAX_SERIES).map(({ name, points }) => ({
    name,
    points: points.filter(({ at }) => at + stepMs > from && at < to),
  }));
  const values = series.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
  if (values.length === 0) {
    return html`<figure class="plot"><figcaption>${title}</figcaption><p class="quiet">Nothing is known of this time yet.</p></figure>`;
  }
  const ticks = valueTicks(Math.max(...values, 0));
  const highest = ticks.at(-1) ?? 1;
  const x = (at: number): number => ((at - from) / (to - from)) * WIDTH;
  const y = (value: number): number => BASE - (Math.max(0, value) / highest) * (BASE - TOP);
  const shape = { x, y, stepMs };
  const drawn =
    kind === "bars"
      ? series.map(({ points }, index) => bars(points, index, shape))
      : series.map(({ points }, index) => curve(points, index, shape));
  return html`<figure class="plot"><figcaption>${title}</figcaption>
${series.length > 1 ? legend(series) : undefined}
<div class="chart">
<svg class="scale" width="${MARGIN}" height="${HEIGHT}" aria-hidden="true">${ticks.map((tick) => html`<text x="${MARGIN - 8}" y="${rounded(y(tick) + 4)}" text-anchor="end">${shortText(tick, unit)}</text>`)}</svg>
<svg role="img" aria-label="${inWords(title, series, unit)}" width="100%" height="${HEIGHT}">
<g class="grid">${ticks.map((tick) => html`<line x1="0" x2="100%" y1="${rounded(y(tick))}" y2="${rounded(y(tick))}"/>`)}</g>
<svg width="100%" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
${drawn.reverse()}</svg>
<g class="scale" aria-hidden="true">${timeTicks(from, to).map((tick, index) => timeText(tick, index, from, to))}</g>
</svg>
</div>
${table(series, unit)}</figure>`;
}

interface Shape {
  readonly x: (at: number) => number;
  readonly y: (value: number) => number;
  readonly stepMs: number;
}

function curve(points: readonly PlotPoint[], index: number, { x, y, stepMs }: Shape): Html {
  const runs: { readonly x: number; readonly y: number }[][] = [];
  let before: number | undefined;
  for (const { at, value } of points) {
    if (value === null) continue;
    // A step counts for the middle of its time.
    const place = { x: x(at + stepMs / 2), y: y(value) };
    if (before === undefined || at - before > stepMs * 1.5) runs.push([place]);
    else runs.at(-1)?.push(place);
    before = at;
  }
  const lines = runs.map((run) => {
    const along = run.map((place) => `${rounded(place.x)} ${rounded(place.y)}`).join("L");
    // A step alone is a dot: a line of no length with round ends.
    return run.length === 1 ? `M${along}h0` : `M${along}`;
  });
  const areas = runs
    .filter((run) => index === 0 && run.length > 1)
    .map((run) => {
      const along = run.map((place) => `${rounded(place.x)} ${rounded(place.y)}`).join("L");
      return `M${rounded(run[0]?.x ?? 0)} ${BASE}L${along}L${rounded(run.at(-1)?.x ?? 0)} ${BASE}z`;
    });
  const area = areas.length === 0 ? undefined : html`<path class="area" d="${areas.join("")}"/>`;
  return html`<g class="series s${index + 1}">${area}<path class="line" d="${lines.join("")}"/></g>
`;
}

function bars(points: readonly PlotPoint[], index: number, { x, y, stepMs }: Shape): Html {
  const boxes = points.map(({ at, value }) => {
    if (value === null || value === 0) return "";
    const [left, right, top] = [x(at), x(at + stepMs), y(value)];
    const gap = Math.min(3, (right - left) * 0.2);
    const [start, end] = [rounded(left + gap / 2), rounded(right - gap / 2)];
    return `M${start} ${BASE}V${rounded(Math.min(top, BASE - 1))}H${end}V${BASE}z`;
  });
  return html`<g class="series s${index + 1}"><path class="bar" d="${boxes.join("")}"/></g>
`;
}

const legend = (series: readonly PlotSeries[]): Html =>
  html`<ul class="legend">${series.map(({ name }, index) => html`<li><svg class="series s${index + 1}" width="22" height="10" aria-hidden="true"><path class="line" d="M1 5H21"/></svg> ${name}</li>`)}</ul>`;

function inWords(title: string, series: readonly PlotSeries[], unit: string): string {
  const parts = series.map(({ name, points }) => {
    const values = points.flatMap(({ value }) => value ?? []);
    const last = values.at(-1);
    if (last === undefined) return `${name}: nothing is known`;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return `${name}: from ${longText(least, unit)} to ${longText(most, unit)}, ${longText(last, unit)} at the end`;
  });
  return `${title}. ${parts.join("; ")}.`;
}

function table(series: readonly PlotSeries[], unit: string): Html {
  const times = [...new Set(series.flatMap(({ points }) => points.map(({ at }) => at)))].sort(
    (one, other) => one - other,
  );
  const every = Math.ceil(times.length / TABLE_ROWS);
  // From the end, so that the latest is there.
  const shown = times.filter((_, index) => (times.length - 1 - index) % every === 0);
  const isDaily = shown.every((at) => at % DAY_MS === 0);
  const known = series.map(({ points }) => new Map(points.map(({ at, value }) => [at, value])));
  return html`<details><summary>As a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Numbers of the plot"><table>
<thead><tr><th scope="col">Time (UTC)</th>${series.map(({ name }) => html`<th scope="col" class="number">${name}${unit === "bytes" ? "" : `, ${unit}`}</th>`)}</tr></thead>
<tbody>
${shown.map(
  (
    at,
  ) => html`<tr><th scope="row">${isDaily ? dateText(at) : instantText(at).slice(0, 16)}</th>${known.map(
    (of) => {
      const value = of.get(at) ?? null;
      return html`<td class="number">${value === null ? "–" : longText(value, unit)}</td>`;
    },
  )}</tr>
`,
)}</tbody></table></div></details>`;
}

/** From 0 on in steps of 1, 2 or 5 times a power of ten: four or five of them, the last not below the highest value. */
function valueTicks(highest: number): number[] {
  const rough = Math.max(highest, 1e-9) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  // Whole things have no halves.
  const whole = highest >= 1 ? Math.max(1, step) : step;
  const count = Math.max(1, Math.ceil((highest * 0.999) / whole));
  return Array.from({ length: count + 1 }, (_, index) => index * whole);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const steps = [1, 2, 3, 6, 12, 24, 48, 168, 336].map((hours) => hours * HOUR_MS);

/** Round instants of UTC, at most seven; beyond weeks, the beginnings of months. */
function timeTicks(from: number, to: number): number[] {
  const step = steps.find((each) => (to - from) / each <= 7);
  if (step === undefined) return monthTicks(from, to);
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

function monthTicks(from: number, to: number): number[] {
  const months = Math.max(1, Math.ceil((to - from) / (30.4 * DAY_MS) / 7));
  const start = new Date(from);
  const ticks: number[] = [];
  for (let month = start.getUTCMonth() + 1; ; month += months) {
    const at = Date.UTC(start.getUTCFullYear(), month, 1);
    if (at > to) return ticks;
    ticks.push(at);
  }
}

const shortMonths = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });

function timeText(at: number, index: number, from: number, to: number): Html | undefined {
  const share = (at - from) / (to - from);
  const anchor = share < 0.04 ? "start" : share > 0.96 ? "end" : "middle";
  const date = new Date(at);
  const month = shortMonths.format(date);
  const text =
    to - from <= 2 * DAY_MS
      ? instantText(at).slice(11, 16)
      : to - from <= 100 * DAY_MS
        ? `${date.getUTCDate()} ${month}`
        : `${month} ${date.getUTCFullYear()}`;
  // Every other one is left out where there is no room.
  const odd = index % 2 === 1 ? " odd" : "";
  return html`<text class="time${odd}" x="${rounded(share * 100)}%" y="${BASE + 18}" text-anchor="${anchor}">${text}</text>`;
}

const shortText = (value: number, unit: string): string =>
  unit === "bytes" ? sizeText(value) : shortCountText(value);

const longText = (value: number, unit: string): string => {
  if (unit === "bytes") return sizeText(value);
  return value > 0 && value < 9.95 && !Number.isInteger(value)
    ? value.toFixed(1)
    : countText(value);
};

const rounded = (value: number): number => Math.round(value * 10) / 10;
