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
function linkSpan({ farm, now }: MonitorState): Span {
  const { isHere, sinceAt, why } = farm.connection;
  if (isHere) return { text: `connected  ${clockText(now)} `, colour: "green" };
  const reason =
    why === null ? "" : ` (${fitted(cleanText(why), Math.min(40, widthOf(cleanText(why))))})`;
  const since = `since ${clockText(sinceAt)}, ${timeText(now - sinceAt)}`;
  return {
    text: `THE MASTER IS AWAY${reason} ${since} `,
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
  const queue = [
    `${countText(farm.ready ?? 0)} ready`,
    `${countText(farm.leased ?? 0)} building`,
    `${countText(farm.waiting ?? 0)} waiting`,
    `${countText(farm.blocked ?? 0)} blocked`,
  ].join(", ");
  const hour = `last hour ${counted(farm.buildsLastHour ?? 0, "build")}, ${countText(farm.failuresLastHour ?? 0)} failed`;
  const files = `${counted(farm.files ?? 0, "file")}, ${sizeText(farm.sizeBytes ?? 0)}`;
  return [slaves, queue, hour, files].join(" · ");
}
