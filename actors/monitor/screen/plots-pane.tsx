/** The last hour of what is selected: six small plots, or as many as there is room for. */
import { Box } from "ink";
import { type ReactNode, useContext } from "react";
import type { PlotData } from "../state/farm-view.ts";
import type { Rect } from "../state/layout.ts";
import { type MonitorState, selectedSubject } from "../state/monitor-state.ts";
import { countText, sizeText } from "../state/words.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import { Line, LookContext } from "./line.tsx";
import { plotLines } from "./plot.ts";
import type { Colour } from "./theme.ts";

const colours: readonly Colour[] = ["cyan", "green", "yellow", "red", "magenta", "blueBright"];
/** Between two plots in a row. */
const GAP = 2;

/** How many stand beside each other, and how high each is with its title. */
export function gridOf(count: number, { width, height }: Pick<Rect, "width" | "height">) {
  const across = width >= 110 ? 3 : width >= 60 ? 2 : 1;
  const down = Math.max(1, Math.ceil(count / across));
  const each = Math.max(2, Math.floor(height / down));
  return { across, each, shown: Math.max(1, Math.floor(height / each)) * across };
}

export function PlotsPane({
  state,
  rect,
}: {
  readonly state: MonitorState;
  readonly rect: Rect;
}): ReactNode {
  const { plots } = state.farm;
  const facts = selectedSubject(state)?.facts ?? [];
  const factsText = facts.map(cleanText).join(" · ");
  const room = { width: rect.width, height: rect.height - (factsText === "" ? 0 : 1) };
  const { across, each, shown } = gridOf(plots.length, room);
  const width = Math.floor((rect.width - GAP * (across - 1) - 2) / across);
  const rows: PlotData[][] = [];
  for (let at = 0; at < Math.min(plots.length, shown); at += across)
    rows.push(plots.slice(at, at + across));
  return (
    <Box flexDirection="column" width={rect.width} height={rect.height} overflow="hidden">
      {factsText !== "" && (
        <Line width={rect.width} spans={[{ text: ` ${fitted(factsText, rect.width - 1)}` }]} />
      )}
      {rows.map((row, down) => (
        <Box key={row[0]?.title ?? down} height={each} paddingLeft={1} columnGap={GAP}>
          {row.map((plot, at) => (
            <Plot
              key={plot.title}
              plot={plot}
              width={width}
              height={each}
              colour={colours[(down * across + at) % colours.length] ?? "cyan"}
            />
          ))}
        </Box>
      ))}
    </Box>
  );
}

function Plot({
  plot,
  width,
  height,
  colour,
}: {
  readonly plot: PlotData;
  readonly width: number;
  readonly height: number;
  readonly colour: Colour;
}): ReactNode {
  const { plots: style } = useContext(LookContext);
  const { values, ceiling } = plot;
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      <Line width={width} spans={[{ text: fitted(plotTitle(plot), width), isBold: true }]} />
      {plotLines(values, { width, height: height - 1, ceiling, style }).map((text, at) => (
        // Lines of a picture have no names: their places are their keys.
        <Line key={at} width={width} spans={[{ text, colour }]} />
      ))}
    </Box>
  );
}

/** What it is now and was at most. */
export function plotTitle({ title, unit, values }: PlotData): string {
  const measured = values.filter((value) => value !== null);
  const latest = values.at(-1) ?? measured.at(-1);
  if (latest === undefined) return `${title}: not measured`;
  const most = Math.max(...measured);
  return `${title} ${valueText(latest, unit)} (hour: at most ${valueText(most, unit)})`;
}

function valueText(value: number, unit: PlotData["unit"]): string {
  switch (unit) {
    case "bytes":
      return sizeText(value);
    case "percent":
      return `${Math.round(value)} %`;
    case "celsius":
      return `${value.toFixed(1)} °C`;
    case "number":
      return Number.isInteger(value) ? countText(value) : value.toFixed(2);
  }
}
