/**
 * Draws the figures of the farm over an hour, a day, a week or a year with uPlot. An hour goes on while one looks: what is new
 * is asked for when the page's stream says that figures have come. Who cannot see a plot is told it in words.
 */
import uPlot from "../uplot.js";
import { countText, sizeText } from "../words.js";

/** New points come every 10 s at most. */
const REFRESH_MS = 10_000;
/** Longer spans change slowly. */
const LONG_REFRESH_MS = 300_000;
const HEIGHT = 190;
const short = new Intl.NumberFormat("en", { notation: "compact" });
const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const months = new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit" });
/** @type {Record<string, Intl.DateTimeFormat>} */
const timeFormats = { hour: hours, day: hours, week: days, year: months };
const dashes = [[], [6, 3], [2, 3], [10, 3, 2, 3]];

/**
 * @typedef {object} Columns
 * @property {number} stepMs
 * @property {number} fromAt
 * @property {number} nowAt
 * @property {number[]} at
 * @property {Record<string, (number | null)[]>} figures
 */

let span = "hour";
const style = () => getComputedStyle(document.documentElement);

class FigurePlot {
  /** @type {HTMLElement} */
  #element;
  /** @type {HTMLElement} */
  #place;
  /** @type {[figure: string, name: string][]} */
  #series;
  #unit;
  #title;
  /** @type {uPlot | undefined} */
  #plot;
  /** @type {Columns | undefined} */
  #columns;
  #askedAt = 0;
  #asks = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#place = /** @type {HTMLElement} */ (element.querySelector(".canvas"));
    this.#series = JSON.parse(element.dataset["figures"] ?? "[]");
    this.#unit = element.dataset["unit"] ?? "";
    this.#title = element.querySelector("figcaption")?.textContent ?? "";
    this.#legend();
    new ResizeObserver(() => {
      const width = this.#place.clientWidth;
      if (this.#plot !== undefined && width > 0 && this.#plot.width !== width)
        this.#plot.setSize({ width, height: HEIGHT });
    }).observe(this.#place);
  }

  /** All of the span that was chosen. */
  async load() {
    this.#columns = undefined;
    await this.#ask(0);
  }

  /** What has come since. */
  async refresh() {
    const everyMs = span === "hour" ? REFRESH_MS : LONG_REFRESH_MS;
    if (performance.now() - this.#askedAt < everyMs) return;
    // The last step may have been told before it was over.
    await this.#ask(span === "hour" ? (this.#columns?.at.at(-1) ?? 0) : 0);
  }

  /** In the colours of now. */
  redraw() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#draw();
  }

  /** @param {number} from */
  async #ask(from) {
    this.#askedAt = performance.now();
    this.#asks += 1;
    const mine = this.#asks;
    try {
      const response = await fetch(`${this.#element.dataset["url"]}&span=${span}&from=${from}`, {
        signal: AbortSignal.timeout(30_000),
      });
      if (mine !== this.#asks) return;
      if (!response.ok) throw new Error((await response.text()).trim());
      this.#take(await response.json(), from);
      this.#say("");
    } catch (error) {
      if (mine !== this.#asks) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#say(`The history could not be read: ${why}`);
    }
  }

  /** @param {Columns} columns @param {number} from */
  #take(columns, from) {
    const known = this.#columns;
    if (known === undefined || from === 0) this.#columns = columns;
    else {
      const kept = known.at.filter((at) => at >= columns.fromAt && at < from).length;
      const first = known.at.findIndex((at) => at >= columns.fromAt);
      const start = first < 0 ? known.at.length : first;
      this.#columns = {
        ...columns,
        at: [...known.at.slice(start, start + kept), ...columns.at],
        figures: Object.fromEntries(
          this.#series.map(([figure]) => [
            figure,
            [
              ...(known.figures[figure] ?? []).slice(start, start + kept),
              ...(columns.figures[figure] ?? []),
            ],
          ]),
        ),
      };
    }
    this.#draw();
  }

  #draw() {
    const columns = this.#columns;
    if (columns === undefined) return;
    const data = this.#data(columns);
    const { fromAt, nowAt } = columns;
    if (data.slice(1).every((values) => values.every((value) => value === null))) {
      this.#plot?.destroy();
      this.#plot = undefined;
      this.#say("Nothing is known of this time yet.");
      return;
    }
    if (this.#plot === undefined) {
      this.#plot = new uPlot(this.#options(), data, this.#place);
      this.#place.setAttribute("role", "img");
    } else this.#plot.setData(data, false);
    this.#plot.setScale("x", { min: fromAt / 1_000, max: nowAt / 1_000 });
    this.#tell(columns);
  }

  /**
   * With a gap where nothing was measured.
   * @param {Columns} columns
   * @returns {[xs: number[], ...ys: (number | null)[][]]}
   */
  #data({ at, stepMs, figures }) {
    /** @type {number[]} */
    const xs = [];
    /** @type {(number | null)[][]} */
    const ys = this.#series.map(() => []);
    at.forEach((each, index) => {
      const before = at[index - 1];
      if (before !== undefined && each - before > stepMs * 1.9) {
        xs.push((before + stepMs) / 1_000);
        for (const y of ys) y.push(null);
      }
      xs.push(each / 1_000);
      this.#series.forEach(([figure], place) => {
        ys[place]?.push(figures[figure]?.[index] ?? null);
      });
    });
    return [xs, ...ys];
  }

  /** @returns {uPlot.Options} */
  #options() {
    const colours = style();
    /** @param {string} name */
    const colour = (name) => colours.getPropertyValue(name).trim();
    const font = "11px system-ui, sans-serif";
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--soft"), font, grid, ticks: { ...grid, size: 4 } };
    return {
      width: Math.max(this.#place.clientWidth, 200),
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true, auto: false },
        y: { range: (_plot, _least, most) => [0, most === null || most <= 0 ? 1 : most * 1.08] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          space: 60,
          values: (_plot, ticks) =>
            ticks.map((tick) => timeFormats[span]?.format(tick * 1_000) ?? ""),
        },
        {
          ...axis,
          size: 58,
          values: (_plot, ticks) => ticks.map((tick) => this.#shortText(tick)),
        },
      ],
      series: [
        {},
        ...this.#series.map(([, name], place) => ({
          label: name,
          stroke: colour(`--s${place + 1}`),
          width: 1.75,
          dash: dashes[place] ?? [],
          points: { show: false },
          ...(place === 0 && { fill: `${colour("--s1")}22` }),
        })),
      ],
      hooks: { setCursor: [(plot) => this.#showValues(plot)] },
    };
  }

  #legend() {
    const list = document.createElement("ul");
    list.className = "legend";
    this.#series.forEach(([, name], place) => {
      const item = document.createElement("li");
      const line = document.createElement("span");
      line.className = `stroke s${place + 1}`;
      line.setAttribute("aria-hidden", "true");
      const value = document.createElement("strong");
      item.append(line, ` ${name} `, value);
      list.append(item);
    });
    this.#place.before(list);
  }

  /** At the cursor, or at the end. @param {uPlot} plot */
  #showValues(plot) {
    const values = this.#element.querySelectorAll(".legend strong");
    this.#series.forEach((_, place) => {
      const known = plot.data[place + 1] ?? [];
      const value = known[plot.cursor.idx ?? known.length - 1] ?? null;
      const text = value === null ? "–" : this.#longText(Number(value));
      const element = values[place];
      if (element !== undefined && element.textContent !== text) element.textContent = text;
    });
  }

  /** @param {Columns} columns */
  #tell({ figures }) {
    const parts = this.#series.map(([figure, name]) => {
      const known = (figures[figure] ?? []).filter((value) => value !== null);
      const last = known.at(-1);
      if (last === undefined) return `${name}: not known`;
      const [least, most] = known.reduce(
        ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
        [last, last],
      );
      return `${name}: from ${this.#longText(least)} to ${this.#longText(most)}, ${this.#longText(last)} at the end`;
    });
    this.#place.setAttribute(
      "aria-label",
      `${this.#title}, the last ${span}. ${parts.join("; ")}.`,
    );
    if (this.#plot !== undefined) this.#showValues(this.#plot);
  }

  /** @param {string} text */
  #say(text) {
    const line = this.#element.querySelector("p.quiet");
    if (!(line instanceof HTMLElement)) return;
    // What was found to be empty goes on saying so.
    if (text === "" && this.#plot === undefined) return;
    line.hidden = text === "";
    line.textContent = text;
  }

  /** @param {number} value */
  #shortText(value) {
    return this.#unit === "bytes" ? sizeText(value) : short.format(value);
  }

  /** @param {number} value */
  #longText(value) {
    if (this.#unit === "bytes") return sizeText(value);
    const text = Number.isInteger(value) || value >= 100 ? countText(value) : value.toFixed(2);
    return this.#unit === "" ? text : `${text} ${this.#unit}`;
  }
}

const plots = [...document.querySelectorAll(".live-plot")].map(
  (element) => new FigurePlot(/** @type {HTMLElement} */ (element)),
);

for (const button of document.querySelectorAll("button[data-span]")) {
  button.addEventListener("click", () => {
    span = button.getAttribute("data-span") ?? "hour";
    for (const other of document.querySelectorAll("button[data-span]"))
      other.setAttribute("aria-pressed", String(other === button));
    for (const plot of plots) void plot.load();
  });
}
document.addEventListener("farm-update", () => {
  for (const plot of plots) void plot.refresh();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const plot of plots) plot.redraw();
});
for (const plot of plots) void plot.load();
