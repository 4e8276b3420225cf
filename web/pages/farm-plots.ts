/** The plots that the home page and the statistics share: the farm's figures of a day, a week or a year. */
import { plottedFigures, type Series } from "../../protocol/model/farm-page.ts";
import type { Html } from "../html.ts";
import { plot } from "./plot.ts";

const HOUR_MS = 3_600_000;
const spans = {
  day: { stepMs: 300_000, lengthMs: 24 * HOUR_MS, roundMs: HOUR_MS },
  week: { stepMs: HOUR_MS, lengthMs: 7 * 24 * HOUR_MS, roundMs: 6 * HOUR_MS },
  year: { stepMs: 24 * HOUR_MS, lengthMs: 366 * 24 * HOUR_MS, roundMs: 24 * HOUR_MS },
} as const;
export type PlotSpan = keyof typeof spans;

type Figure = (typeof plottedFigures)[number];

const figuresPlot =
  (figures: readonly (readonly [Figure, string])[], unit: string) =>
  (title: string, span: PlotSpan, series: Series, asOf: number): Html => {
    const { stepMs, lengthMs, roundMs } = spans[span];
    const to = Math.ceil(asOf / roundMs) * roundMs;
    return plot({
      title,
      series: figures.map(([figure, name]) => {
        const place = plottedFigures.indexOf(figure);
        return {
          name,
          points: series.map(({ at, values }) => ({ at, value: values[place] ?? null })),
        };
      }),
      from: to - lengthMs,
      to,
      stepMs,
      unit,
    });
  };

export const failuresPlot = figuresPlot(
  [
    ["buildsLastHour", "All builds"],
    ["failuresLastHour", "Of them without a wheel"],
  ],
  "an hour",
);
export const queuePlot = figuresPlot(
  [
    ["ready", "Queued"],
    ["blocked", "Blocked"],
    ["waiting", "To be retried"],
  ],
  "builds",
);
export const buildingPlot = figuresPlot([["leased", "Building"]], "builds");
export const sizePlot = figuresPlot([["sizeBytes", "Size of all files"]], "bytes");
