/** The whole screen of one state. Called by `draw.ts` for each frame. */
import { Box } from "ink";
import type { ReactNode } from "react";
import { type Layout, LEAST, layoutOf } from "../state/layout.ts";
import type { MonitorState } from "../state/monitor-state.ts";
import { tabPlaces } from "../state/tab-bar.ts";
import { clockText } from "../state/words.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import { DialogBox } from "./dialog.tsx";
import { Line, type Span } from "./line.tsx";
import { PlotsPane } from "./plots-pane.tsx";
import { SubjectList } from "./subject-list.tsx";
import { TasksPane } from "./tasks-pane.tsx";
import { EventsPane, LogPane, QueuePane } from "./text-panes.tsx";
import { toneColours } from "./theme.ts";
import { Summary, Title } from "./title.tsx";

export function App({
  state,
  address,
}: {
  readonly state: MonitorState;
  readonly address: string;
}): ReactNode {
  const { columns, rows } = state.size;
  const layout = layoutOf(state.size, state.farm.subjects.length);
  if (layout.isTooSmall) {
    const text = `too small: ${LEAST.columns}x${LEAST.rows} at least`;
    return <Line width={columns} spans={[{ text: fitted(text, columns) }]} />;
  }
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Title state={state} address={address} />
      <Summary state={state} />
      <Box
        flexDirection={layout.isWide ? "row" : "column"}
        flexGrow={1}
        columnGap={layout.isWide ? 1 : 0}
      >
        <SubjectList state={state} layout={layout} />
        <Box flexDirection="column" width={layout.pane.width}>
          <Tabs state={state} layout={layout} />
          <Pane state={state} layout={layout} />
        </Box>
      </Box>
      <LastNotice state={state} />
      <Keys state={state} />
      {state.dialog !== null && <DialogBox dialog={state.dialog} size={state.size} />}
    </Box>
  );
}

interface PartProps {
  readonly state: MonitorState;
  readonly layout: Layout;
}

function Tabs({ state, layout }: PartProps): ReactNode {
  const hasKeys = state.focus === "pane";
  const spans = tabPlaces.map(({ tab, text }): Span => {
    const isOpen = tab === state.tab;
    return {
      text: isOpen ? `[${text.slice(1, -1)}]` : text,
      isBold: isOpen,
      isInverse: isOpen && hasKeys,
      colour: isOpen ? "cyan" : undefined,
    };
  });
  return <Line width={layout.tabs.width} spans={[...spans, { text: "" }]} />;
}

function Pane({ state, layout: { pane } }: PartProps): ReactNode {
  switch (state.tab) {
    case "plots":
      return <PlotsPane state={state} rect={pane} />;
    case "log":
      return <LogPane state={state} rect={pane} />;
    case "tasks":
      return <TasksPane state={state} rect={pane} />;
    case "queue":
      return <QueuePane state={state} rect={pane} />;
    case "events":
      return <EventsPane state={state} rect={pane} />;
  }
}

function LastNotice({ state }: { readonly state: MonitorState }): ReactNode {
  const { columns } = state.size;
  const last = state.notices.at(-1);
  if (last === undefined) return <Line width={columns} spans={[]} />;
  const text = ` ${clockText(last.at)} ${cleanText(last.text)}`;
  const colour = toneColours[last.tone];
  return <Line width={columns} spans={[{ text: fitted(text, columns), colour, isBold: true }]} />;
}

const KEYS =
  " ?help Enter:actions Tab /filter p:pause r:resume s:skip z:sleep w:wake k:kill t:terminate q:quit";
const FEW_KEYS = " ? help  Enter actions  Tab  / filter  k kill  s skip  t terminate  q quit";

function Keys({ state: { size, isFiltering } }: { readonly state: MonitorState }): ReactNode {
  const keys = isFiltering
    ? " words of the lines to show; Enter keeps them, Esc shows all"
    : size.columns > KEYS.length
      ? KEYS
      : FEW_KEYS;
  return (
    <Line width={size.columns} spans={[{ text: fitted(keys, size.columns), isInverse: true }]} />
  );
}
