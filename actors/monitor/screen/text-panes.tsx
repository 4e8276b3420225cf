/** What is lines of text: the log of a build, the queue by target, what has happened. */
import { Box } from "ink";
import type { ReactNode } from "react";
import type { Rect } from "../state/layout.ts";
import { shownLines } from "../state/log-tail.ts";
import { type MonitorState, selectedSubject } from "../state/monitor-state.ts";
import { clockText, countText, sizeText, timeText } from "../state/words.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import { Line, type Span } from "./line.tsx";
import { toneColours } from "./theme.ts";

interface PaneProps {
  readonly state: MonitorState;
  readonly rect: Rect;
}

function Lines({
  rect,
  lines,
}: {
  readonly rect: Rect;
  readonly lines: readonly (readonly Span[])[];
}): ReactNode {
  return (
    <Box flexDirection="column" width={rect.width} height={rect.height} overflow="hidden">
      {lines.slice(0, rect.height).map((spans, at) => (
        // Lines of a window have no names: their places are their keys.
        <Line key={at} width={rect.width} spans={spans} />
      ))}
    </Box>
  );
}

/** From the end, where the build goes on; scrolled up it stands still. */
export function LogPane({ state, rect }: PaneProps): ReactNode {
  const { log, scroll } = state;
  const build = selectedSubject(state)?.lastBuild ?? null;
  if (build === null || log.token === null)
    return <Lines rect={rect} lines={[[{ text: ` ${whyNoLog(state)}`, isDim: true }]]} />;
  const height = Math.max(1, rect.height - 1);
  const all = shownLines(log);
  const end = Math.max(0, all.length - scroll.log);
  const inSight = all.slice(Math.max(0, end - height), end);
  const where = scroll.log > 0 ? `${countText(scroll.log)} lines below (End)` : stage(state);
  const head = ` build ${log.token}: ${cleanText(log.title)}`;
  return (
    <Lines
      rect={rect}
      lines={[
        [
          { text: fitted(head, rect.width - where.length - 1), isBold: true },
          { text: ` ${where}`, colour: log.trouble === null ? "cyan" : "yellow" },
        ],
        ...inSight.map((line) => [{ text: ` ${fitted(cleanText(line), rect.width - 1)}` }]),
      ]}
    />
  );
}

function whyNoLog({ selected, farm }: MonitorState): string {
  if (!farm.connection.isHere) return "The master is away: there is no log until it is back.";
  return selected === "master"
    ? "Choose a slave: the log of its build is shown here as it is written."
    : "No build of this slave is known: its log comes here when it has one.";
}

function stage({ log }: MonitorState): string {
  if (log.trouble !== null) return fitted(cleanText(log.trouble), Math.min(50, log.trouble.length));
  return log.isEnd ? "ended" : "live";
}

const COUNT = 8;
const QUEUE_HEADS = ["READY", "BUILDING", "WAITING", "BLOCKED", "BUILDS/h", "FAILED/h"];

export function QueuePane({ state, rect }: PaneProps): ReactNode {
  const { targets } = state.farm;
  const heads = rect.width < 100 ? QUEUE_HEADS : [...QUEUE_HEADS, "FILES", "SIZE"];
  const name = Math.max(10, Math.min(44, rect.width - heads.length * (COUNT + 1) - 2));
  const row = (target: string, cells: readonly string[]): string =>
    ` ${fitted(target, name)} ${cells.map((cell) => fitted(cell, COUNT, "right")).join(" ")}`;
  const lines = targets.map(({ name: target, figures }) => {
    const count = (figure: number | null): string => (figure === null ? "-" : countText(figure));
    const { ready, leased, waiting, blocked, buildsLastHour, failuresLastHour } = figures;
    const counts = [ready, leased, waiting, blocked, buildsLastHour, failuresLastHour];
    const cells = [...counts, figures.files].map(count);
    cells.push(figures.sizeBytes === null ? "-" : sizeText(figures.sizeBytes));
    return row(cleanText(target), cells.slice(0, heads.length));
  });
  const top = state.scroll.queue;
  return (
    <Lines
      rect={rect}
      lines={[
        [{ text: row("TARGET", heads), isBold: true }],
        ...(lines.length === 0
          ? [[{ text: " No target is known yet: the first slave brings its own.", isDim: true }]]
          : lines.slice(top).map((text) => [{ text }])),
      ]}
    />
  );
}

/** The newest at the bottom. */
export function EventsPane({ state, rect }: PaneProps): ReactNode {
  const { events, clockOffsetMs } = state.farm;
  const end = Math.max(0, events.length - state.scroll.events);
  const inSight = events.slice(Math.max(0, end - rect.height), end);
  const lines = inSight.map(({ at, tone, text }) => [
    { text: ` ${clockText(at - clockOffsetMs)} `, isDim: true },
    { text: fitted(cleanText(text), rect.width - 10), colour: toneColours[tone] },
  ]);
  return (
    <Lines
      rect={rect}
      lines={
        lines.length > 0
          ? lines
          : [
              [
                {
                  text: ` Nothing has happened for ${timeText(state.now - state.farm.connection.sinceAt)}.`,
                  isDim: true,
                },
              ],
            ]
      }
    />
  );
}
