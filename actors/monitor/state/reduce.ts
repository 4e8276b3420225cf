/**
 * The next state of the monitor, and what is to be done outside: the one place where news, answers, clocks and keys come
 * together. Pure. What keys and the mouse mean is in `keys.ts` and `mouse.ts`.
 */

import { cleanText } from "../terminal/clean-text.ts";
import type { Tone } from "./farm-view.ts";
import { pressKey } from "./keys.ts";
import { layoutOf, taskRows, windowTop } from "./layout.ts";
import { appendLog, noLog } from "./log-tail.ts";
import {
  keyOfTask,
  type MonitorEvent,
  type MonitorState,
  shownSubjects,
  shownTasks,
} from "./monitor-state.ts";
import { takeMouse } from "./mouse.ts";
import { note, type Step, still } from "./step.ts";

export function reduce(state: MonitorState, event: MonitorEvent): Step {
  const step = next(state, event);
  return { ...step, state: settled(step.state) };
}

function next(state: MonitorState, event: MonitorEvent): Step {
  switch (event.kind) {
    case "farm":
      return still({ ...state, farm: event.view });
    case "tick":
      return still({ ...state, now: event.now });
    case "resized":
      return still({ ...state, size: event.size });
    case "answered":
      return still(answered(state, event));
    case "log-begins":
      return still({
        ...state,
        log: { ...noLog, token: event.token, title: event.title },
        scroll: { ...state.scroll, log: 0 },
      });
    case "log-goes-on": {
      const { log } = state;
      // Of the build that was looked at before.
      if (log.token !== event.token) return still(state);
      const { trouble, isEnd } = event;
      const longer = appendLog(log, event.text);
      const grown = longer.lines.length - log.lines.length;
      // Whoever has scrolled up goes on reading the same lines.
      const above = state.scroll.log === 0 ? 0 : state.scroll.log + grown;
      return still({
        ...state,
        log: { ...longer, trouble, isEnd },
        scroll: { ...state.scroll, log: above },
      });
    }
    case "input":
      return event.input.kind === "mouse"
        ? takeMouse(state, event.input)
        : pressKey(state, event.input);
  }
}

function answered(
  state: MonitorState,
  { id, isDone, text }: Extract<MonitorEvent, { kind: "answered" }>,
): MonitorState {
  const asked = state.notices.find((notice) => notice.id === id);
  const what = (asked?.text ?? "an order").replace(/: asked the master…$/, "");
  const word = isDone === null ? "no answer" : isDone ? "done" : "refused";
  const tone: Tone = isDone === null ? "warning" : isDone ? "good" : "bad";
  const said = cleanText(text);
  const rest = state.notices.filter((notice) => notice.id !== id);
  return note(
    { ...state, notices: rest },
    tone,
    `${what}: ${word}${said === "" ? "" : `: ${said}`}`,
  );
}

/** What must hold whatever has happened: something that is there is selected, and is in sight. */
function settled(state: MonitorState): MonitorState {
  const subjects = shownSubjects(state);
  const before = state.farm.subjects.findIndex(({ key }) => key === state.selected);
  const isShown = subjects.some(({ key }) => key === state.selected);
  const selected = isShown
    ? state.selected
    : ((before === -1 ? subjects[state.top] : undefined) ?? subjects[0])?.key;
  const at = Math.max(
    0,
    subjects.findIndex(({ key }) => key === selected),
  );
  const { list, pane } = layoutOf(state.size, state.farm.subjects.length);
  const tasks = shownTasks(state);
  const taskAt = tasks.findIndex((node) => keyOfTask(node) === state.task);
  const task = taskAt === -1 ? tasks[0] : tasks[taskAt];
  const rows = taskRows(pane.height);
  return {
    ...state,
    selected: selected ?? state.selected,
    top: windowTop(state.top, at, list.height, subjects.length),
    task: task === undefined ? state.task : keyOfTask(task),
    scroll: {
      plots: 0,
      tasks: windowTop(state.scroll.tasks, Math.max(0, taskAt), rows, tasks.length),
      queue: bounded(state.scroll.queue, state.farm.targets.length - pane.height + 1),
      log: bounded(state.scroll.log, state.log.lines.length + 2 - pane.height),
      events: bounded(state.scroll.events, state.farm.events.length - pane.height),
    },
  };
}

const bounded = (value: number, most: number): number => Math.max(0, Math.min(value, most));
