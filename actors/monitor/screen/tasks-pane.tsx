/** The supervision tree of the master: state, waiting messages, restarts, and what each lacks or died of. */
import { Box } from "ink";
import type { ReactNode } from "react";
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import type { Rect } from "../state/layout.ts";
import { taskRows } from "../state/layout.ts";
import { taskName } from "../state/menus.ts";
import { keyOfTask, type MonitorState, shownTasks } from "../state/monitor-state.ts";
import { countText, timeText } from "../state/words.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import { Line, type Span } from "./line.tsx";
import type { Colour } from "./theme.ts";

const STATE = 10;
const COUNT = 8;

export function TasksPane({
  state,
  rect,
}: {
  readonly state: MonitorState;
  readonly rect: Rect;
}): ReactNode {
  const tasks = shownTasks(state);
  const isSplit = new Set(tasks.map(({ part }) => part)).size > 1;
  const name = Math.max(16, Math.min(44, Math.floor((rect.width - STATE - 3 * (COUNT + 1)) * 0.5)));
  const top = state.scroll.tasks;
  const inSight = tasks.slice(top, top + taskRows(rect.height));
  const selected = tasks.find((node) => keyOfTask(node) === state.task);
  const heads = [
    `  ${fitted(`TASK (${tasks.length})`, name - 1)}`,
    fitted("STATE", STATE),
    ...["WAITING", "HANDLED", "RESTARTS"].map((head) => fitted(head, COUNT, "right")),
    "LAST ERROR, OR WHAT IT LACKS",
  ].join(" ");
  const silent = state.farm.silentParts.map(cleanText).join(", ");
  return (
    <Box flexDirection="column" width={rect.width} height={rect.height} overflow="hidden">
      <Line
        width={rect.width}
        spans={[
          {
            text: fitted(
              silent === "" ? heads : ` no answer from the part ${silent} ${heads}`,
              rect.width,
            ),
            isBold: true,
            colour: state.focus === "pane" ? "cyan" : undefined,
          },
        ]}
      />
      {inSight.map((node) => (
        <Line
          key={keyOfTask(node)}
          width={rect.width}
          spans={taskSpans(node, {
            name,
            width: rect.width,
            isSplit,
            isSelected: keyOfTask(node) === state.task,
            hasKeys: state.focus === "pane",
          })}
        />
      ))}
      {inSight.length === 0 && (
        <Line width={rect.width} spans={[{ text: ` ${whyNone(state)}`, isDim: true }]} />
      )}
      <Box flexGrow={1} />
      {selected !== undefined && (
        <Line
          width={rect.width}
          spans={[{ text: fitted(` ${detailOf(selected)}`, rect.width), isDim: true }]}
        />
      )}
    </Box>
  );
}

/** All of what its line may have cut. */
function detailOf(node: TaskNode): string {
  const remark = cleanText(remarkOf(node));
  return `${cleanText(taskName(node)) || "main"}: ${cleanText(node.role)}${remark === "" ? "" : `. ${remark}`}`;
}

const whyNone = ({ farm }: MonitorState): string =>
  farm.connection.isHere ? "Asking the master for its tasks…" : "The master is away.";

interface TaskLook {
  readonly name: number;
  readonly width: number;
  readonly isSplit: boolean;
  readonly isSelected: boolean;
  readonly hasKeys: boolean;
}

function taskSpans(node: TaskNode, look: TaskLook): Span[] {
  const { name, width, isSplit, isSelected, hasKeys } = look;
  const isInverse = isSelected && hasKeys;
  const depth = Math.max(0, node.path.split("/").length - 2);
  const mark = node.kind === "worker" ? "" : "▾ ";
  const label = `${"  ".repeat(depth)}${mark}${cleanText(taskName(node)) || "main"}`;
  const part = isSplit ? ` (${cleanText(node.part)})` : "";
  const counts = [node.mailboxDepth, node.handled, node.restarts]
    .map((count) => fitted(countText(count), COUNT, "right"))
    .join(" ");
  const used = 2 + name + STATE + 1 + 3 * (COUNT + 1) + 1;
  const remark = fitted(cleanText(remarkOf(node)), Math.max(0, width - used));
  return [
    { text: isSelected ? "> " : "  ", isInverse },
    { text: fitted(label + part, name - 1), isInverse, isBold: node.kind !== "worker" },
    { text: ` ${fitted(stateOf(node), STATE)}`, isInverse, colour: colourOf(node) },
    { text: ` ${counts} `, isInverse },
    { text: remark, isInverse, colour: node.degraded === undefined ? undefined : "yellow" },
  ];
}

const stateOf = ({ state, degraded }: TaskNode): string =>
  degraded !== undefined && state === "running" ? "degraded" : state;

function colourOf(node: TaskNode): Colour {
  switch (node.state) {
    case "running":
      return node.degraded === undefined ? "green" : "yellowBright";
    case "paused":
      return "magenta";
    case "starting":
    case "restarting":
      return "yellow";
    case "failed":
    case "stopped":
      return "red";
  }
}

function remarkOf({ degraded, lastError, busyMs, refused }: TaskNode): string {
  if (degraded !== undefined)
    return `for ${timeText(Math.max(0, Date.now() - degraded.sinceAt))}: ${degraded.reason}`;
  const refusals = Object.entries(refused ?? {}).map(([why, count]) => `${why} ${count}`);
  return [
    ...(busyMs > 1_000 ? [`busy for ${timeText(busyMs)}`] : []),
    ...(lastError === undefined ? [] : [lastError]),
    ...(refusals.length === 0 ? [] : [`refused: ${refusals.join(", ")}`]),
  ].join("; ");
}
