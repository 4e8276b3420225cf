/** Master and slaves, a line each: only those in sight are drawn, however many there are. */
import { Box } from "ink";
import type { ReactNode } from "react";
import type { Subject } from "../state/farm-view.ts";
import type { Layout } from "../state/layout.ts";
import { type MonitorState, shownSubjects } from "../state/monitor-state.ts";
import { timeText } from "../state/words.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import { Line, type Span } from "./line.tsx";
import { stateColours } from "./theme.ts";

/** Widths of the columns; label and task share what is left. */
const STATE = 9;
const TIME = 7;

interface Widths {
  readonly label: number;
  readonly abi: number;
  readonly task: number;
}

function widthsOf(columns: number): Widths {
  // Mark, and a space between columns.
  const rest = columns - 2 - STATE - 2 * TIME - 5;
  const abi = rest > 45 ? 12 : Math.max(0, Math.min(12, rest - 24));
  const label = Math.min(40, Math.max(8, Math.floor((rest - abi) * 0.45)));
  return { abi, label, task: Math.max(0, rest - abi - label) };
}

export function SubjectList({
  state,
  layout,
}: {
  readonly state: MonitorState;
  readonly layout: Layout;
}): ReactNode {
  const { width, height } = layout.list;
  const subjects = shownSubjects(state);
  const inSight = subjects.slice(state.top, state.top + height);
  const widths = widthsOf(width);
  const nowThere = state.now + state.farm.clockOffsetMs;
  return (
    <Box flexDirection="column" width={width} height={height + 1} overflow="hidden">
      <Line width={width} spans={headSpans(state, widths, subjects.length)} />
      {inSight.map((subject) => (
        <Line
          key={subject.key}
          width={width}
          spans={rowSpans(subject, widths, nowThere, {
            isSelected: subject.key === state.selected,
            hasKeys: state.focus === "list",
            isStale: !state.farm.connection.isHere,
          })}
        />
      ))}
      {inSight.length === 0 && (
        <Line width={width} spans={[{ text: nothingText(state), isDim: true }]} />
      )}
    </Box>
  );
}

const nothingText = ({ filter, farm }: MonitorState): string =>
  filter !== ""
    ? `  nothing has ${cleanText(filter)} in its line (Esc shows all)`
    : farm.connection.isHere
      ? "  asking the master what there is…"
      : "  waiting for the master…";

function headSpans(state: MonitorState, { label, abi, task }: Widths, shown: number): Span[] {
  const all = state.farm.subjects.length;
  const filter = state.isFiltering
    ? ` /${cleanText(state.filter)}_`
    : state.filter === ""
      ? ""
      : ` /${cleanText(state.filter)}`;
  const heads = [
    `  ${fitted("STATE", STATE)}`,
    fitted(
      filter === "" ? "NAME" : `NAME${filter} ${shown}/${all}`,
      label + (filter === "" ? 0 : abi + 1),
    ),
    ...(filter === "" && abi > 0 ? [fitted("ABI", abi)] : []),
    fitted("UP", TIME, "right"),
    fitted(placeText(state, shown), task),
    fitted("FOR", TIME, "right"),
  ];
  return [
    { text: heads.join(" "), isBold: true, colour: state.focus === "list" ? "cyan" : undefined },
  ];
}

/** Where the window is, where not everything is in sight. */
function placeText({ selected, farm, ...state }: MonitorState, shown: number): string {
  const at = shownSubjects({ selected, farm, ...state }).findIndex(({ key }) => key === selected);
  return shown > 3 ? `TASK  (${at + 1} of ${shown})` : "TASK";
}

function rowSpans(
  subject: Subject,
  { label, abi, task }: Widths,
  now: number,
  look: { readonly isSelected: boolean; readonly hasKeys: boolean; readonly isStale: boolean },
): Span[] {
  const { isSelected, hasKeys, isStale } = look;
  const isInverse = isSelected && hasKeys;
  const since = (at: number | null): string => (at === null ? "" : timeText(now - at));
  const colour = isStale ? undefined : stateColours[subject.state];
  const isDim = isStale || subject.state === "asleep";
  const rest = [
    fitted(cleanText(subject.label), label),
    ...(abi > 0 ? [fitted(cleanText(subject.abi), abi)] : []),
    fitted(since(subject.upSinceAt), TIME, "right"),
    fitted(cleanText(subject.task), task),
    fitted(since(subject.taskSinceAt), TIME, "right"),
  ].join(" ");
  return [
    { text: isSelected ? "> " : "  ", isBold: isSelected, isInverse },
    { text: fitted(subject.state, STATE), colour, isInverse, isDim, isBold: isSelected },
    { text: ` ${rest}`, isInverse, isDim, isBold: isSelected },
  ];
}
