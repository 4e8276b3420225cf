/** The two lines at the top: whom this is about and whether it is there; then the farm in figures. */
import type { ReactNode } from "react";
import type { MonitorState } from "../state/monitor-state.ts";
import { clockText, counted, countText, sizeText, timeText } from "../state/words.ts";
import { cleanText, fitted, widthOf } from "../terminal/clean-text.ts";
import { Line, type Span } from "./line.tsx";

export function Title({
  state,
  address,
}: {
  readonly state: MonitorState;
  readonly address: string;
}): ReactNode {
  const { columns } = state.size;
  const link = linkSpan(state);
  const room = columns - widthOf(link.text) - 2;
  return (
    <Line
      width={columns}
      spans={[
        { text: ` ${fitted(`Wheelwright  ${cleanText(address)}`, room)} `, isBold: true },
        link,
      ]}
    />
  );
}

/** The clock goes on while nothing else happens: so does the monitor. */
function linkSpan({ farm, now, size }: MonitorState): Span {
  const { isHere, isNew, sinceAt, why } = farm.connection;
  if (isHere) return { text: `connected  ${clockText(now)} `, colour: "green" };
  const since = `since ${clockText(sinceAt)}, ${timeText(now - sinceAt)}`;
  const reason = why === null ? "" : ` (${cleanText(why)})`;
  const what = isNew ? "NO MASTER ANSWERS" : "THE MASTER IS AWAY";
  const room = Math.max(0, size.columns - what.length - since.length - 16);
  const shown = widthOf(reason) <= room ? reason : fitted(reason, room);
  return {
    text: ` ${what}${shown} ${since} `,
    colour: "red",
    isBold: true,
    isInverse: true,
  };
}

export function Summary({ state }: { readonly state: MonitorState }): ReactNode {
  const { columns } = state.size;
  return <Line width={columns} spans={[{ text: ` ${fitted(summaryText(state), columns - 1)}` }]} />;
}

function summaryText({ farm: { farm, subjects } }: MonitorState): string {
  const slaves = counted(Math.max(0, subjects.length - 1), "slave");
  if (farm === null) return `${slaves}; the farm's figures are not known yet`;
  const count = (figure: number | null): string => countText(figure ?? 0);
  return [
    slaves,
    `queue ${count(farm.ready)}`,
    `building ${count(farm.leased)}`,
    `waiting ${count(farm.waiting)}`,
    `blocked ${count(farm.blocked)}`,
    `${count(farm.buildsLastHour)} builds/h, ${count(farm.failuresLastHour)} failed`,
    `${counted(farm.files ?? 0, "file")}, ${sizeText(farm.sizeBytes ?? 0)}`,
  ].join(" · ");
}
