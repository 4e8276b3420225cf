/** What each key means, by what is on the screen: a dialog takes them first, then the filter, then list and pane. Pure. */
import type { Input } from "../terminal/key-parser.ts";
import { layoutOf } from "./layout.ts";
import { levelMenu, masterMenu, slaveMenu, taskMenu, taskName } from "./menus.ts";
import {
  type Dialog,
  keyOfTask,
  type MenuItem,
  type MonitorState,
  selectedSubject,
  shownSubjects,
  shownTasks,
  type Tab,
  tabs,
} from "./monitor-state.ts";
import type { Whom } from "./order.ts";
import { note, propose, type Step, send, still } from "./step.ts";

const MAX_FILTER_CHARS = 60;

export function pressKey(state: MonitorState, input: Exclude<Input, { kind: "mouse" }>): Step {
  if (input.kind === "paste")
    return state.isFiltering ? still(typed(state, input.text)) : still(state);
  const { key } = input;
  if (key === "ctrl-c") return { state, effects: [{ kind: "quit" }] };
  if (key === "ctrl-z") return { state, effects: [{ kind: "suspend" }] };
  if (key === "ctrl-l") return { state, effects: [{ kind: "redraw" }] };
  if (state.dialog !== null) return inDialog(state, state.dialog, key);
  if (state.isFiltering) return inFilter(state, key);
  const move = movements[key];
  if (move !== undefined) return still(moved(state, move));
  return commands[key]?.(state) ?? still(state);
}

/** In lines, or in pages. */
interface Movement {
  readonly lines?: number;
  readonly pages?: number;
}

export const movements: Readonly<Record<string, Movement>> = {
  up: { lines: -1 },
  down: { lines: 1 },
  pageup: { pages: -1 },
  pagedown: { pages: 1 },
  home: { lines: Number.NEGATIVE_INFINITY },
  end: { lines: Number.POSITIVE_INFINITY },
};

const commands: Readonly<Record<string, (state: MonitorState) => Step>> = {
  q: (state) => ({ state, effects: [{ kind: "quit" }] }),
  "?": (state) => still({ ...state, dialog: { kind: "help", top: 0 } }),
  "/": (state) => still({ ...state, isFiltering: true, focus: "list" }),
  escape: (state) => still({ ...state, filter: "" }),
  tab: (state) => still({ ...state, focus: state.focus === "list" ? "pane" : "list" }),
  backtab: (state) => still({ ...state, focus: state.focus === "list" ? "pane" : "list" }),
  left: (state) => still(turned(state, -1)),
  right: (state) => still(turned(state, 1)),
  ...Object.fromEntries(
    tabs.map((tab, at) => [String(at + 1), (state: MonitorState) => still({ ...state, tab })]),
  ),
  enter: (state) => still({ ...state, dialog: actionsOf(state) }),
  p: (state) => propose(state, { type: "PAUSE", task: taskMeant(state) ?? "*" }),
  r: (state) => propose(state, { type: "RESUME", task: taskMeant(state) ?? "*" }),
  l: (state) => still({ ...state, dialog: levelMenu(taskMeant(state)) }),
  t: (state) => propose(state, { type: "QUIT" }),
  k: (state) => steer(state, "kill"),
  s: (state) => steer(state, "skip"),
  w: (state) => steer(state, "wake"),
  z: (state) => steer(state, "sleep"),
  S: (state) => propose(state, { type: "STEER", action: "sleep", whom: "all" }),
  W: (state) => propose(state, { type: "STEER", action: "wake", whom: "all" }),
};

function steer(state: MonitorState, action: "kill" | "skip" | "wake" | "sleep"): Step {
  const subject = selectedSubject(state);
  if (subject === undefined || subject.key === "master")
    return still(
      note(state, "warning", `${action}: choose a slave first (Enter: what the master can do)`),
    );
  if (action === "skip" && subject.build === null)
    return still(note(state, "warning", "skip: it has no build in hand"));
  const whom: Whom = { id: subject.key, label: subject.label };
  return propose(state, { type: "STEER", action, whom });
}

/** The task that is selected where the tree has the keys; null: all tasks are meant. */
function taskMeant(state: MonitorState): string | null {
  const node = selectedTask(state);
  return node === undefined ? null : taskName(node);
}

function selectedTask(state: MonitorState) {
  if (state.focus !== "pane" || state.tab !== "tasks") return undefined;
  return shownTasks(state).find((node) => keyOfTask(node) === state.task);
}

export function actionsOf(state: MonitorState): Dialog {
  const node = selectedTask(state);
  if (node !== undefined) return taskMenu(node);
  const subject = selectedSubject(state);
  return subject === undefined || subject.key === "master" ? masterMenu() : slaveMenu(subject);
}

function turned(state: MonitorState, by: number): MonitorState {
  const at = tabs.indexOf(state.tab) + by;
  return { ...state, tab: tabs[(at + tabs.length) % tabs.length] ?? "plots" };
}

/** What has the keys moves: the list, or the pane. */
function moved(state: MonitorState, movement: Movement): MonitorState {
  return state.focus === "list" ? moveInList(state, movement) : moveInPane(state, movement);
}

export function moveInList(state: MonitorState, { lines = 0, pages = 0 }: Movement): MonitorState {
  const subjects = shownSubjects(state);
  const { list } = layoutOf(state.size, state.farm.subjects.length);
  const at = subjects.findIndex(({ key }) => key === state.selected);
  const wanted = at + lines + pages * Math.max(1, list.height - 1);
  const selected = subjects[within(wanted, subjects.length)]?.key;
  return selected === undefined ? state : { ...state, selected };
}

export function moveInPane(state: MonitorState, { lines = 0, pages = 0 }: Movement): MonitorState {
  const { pane } = layoutOf(state.size, state.farm.subjects.length);
  const by = lines + pages * Math.max(1, pane.height - 2);
  const { tab, scroll } = state;
  if (tab === "plots") return state;
  if (tab === "tasks") {
    const tasks = shownTasks(state);
    const at = tasks.findIndex((node) => keyOfTask(node) === state.task);
    const node = tasks[within(at + by, tasks.length)];
    return node === undefined ? state : { ...state, task: keyOfTask(node) };
  }
  // Of log and events the scroll counts from the end, so up is more.
  const isFromEnd: Readonly<Record<Exclude<Tab, "plots" | "tasks">, boolean>> = {
    ...{ log: true, events: true, queue: false },
  };
  const value = scroll[tab] + (isFromEnd[tab] ? -by : by);
  return { ...state, scroll: { ...scroll, [tab]: Math.max(0, Math.min(value, 1_000_000)) } };
}

const within = (at: number, count: number): number => Math.max(0, Math.min(at, count - 1));

function inFilter(state: MonitorState, key: string): Step {
  const { filter } = state;
  if (key === "enter" || key === "tab") return still({ ...state, isFiltering: false });
  if (key === "escape") return still({ ...state, isFiltering: false, filter: "" });
  if (key === "backspace") return still({ ...state, filter: [...filter].slice(0, -1).join("") });
  if (key === "ctrl-u") return still({ ...state, filter: "" });
  const move = movements[key];
  if (move !== undefined) return still(moveInList(state, move));
  return still([...key].length === 1 ? typed(state, key) : state);
}

const typed = (state: MonitorState, text: string): MonitorState => ({
  ...state,
  filter: (state.filter + text.replace(/[\p{C}\s]+/gu, " ")).slice(0, MAX_FILTER_CHARS),
});

function inDialog(state: MonitorState, dialog: Dialog, key: string): Step {
  const closed = { ...state, dialog: null };
  if (key === "escape" || key === "q") return still(closed);
  switch (dialog.kind) {
    case "help": {
      const { lines = 0, pages = 0 } = movements[key] ?? {};
      if (lines === 0 && pages === 0) return still(closed);
      const top = Math.max(0, Math.min(dialog.top + lines + pages * 10, 100));
      return still({ ...state, dialog: { ...dialog, top } });
    }
    case "confirm":
      return inConfirmation(state, dialog, key);
    case "menu": {
      if (key === "enter") return chosen(closed, dialog.items[dialog.at]);
      const { lines = 0, pages = 0 } = movements[key] ?? {};
      const at = within(dialog.at + lines + pages * 5, dialog.items.length);
      return still({ ...state, dialog: { ...dialog, at } });
    }
  }
}

function inConfirmation(
  state: MonitorState,
  dialog: Extract<Dialog, { kind: "confirm" }>,
  key: string,
): Step {
  const { order, isYes } = dialog;
  if (key === "y" || key === "Y" || (key === "enter" && isYes)) return send(state, order);
  if (["n", "N", "enter"].includes(key))
    return still(note({ ...state, dialog: null }, "quiet", "Nothing was done."));
  if (["left", "right", "tab", "backtab", "up", "down"].includes(key))
    return still({ ...state, dialog: { ...dialog, isYes: !isYes } });
  return still(state);
}

/** @param closed without the menu */
export function chosen(closed: MonitorState, item: MenuItem | undefined): Step {
  if (item === undefined) return still(closed);
  const { leadsTo } = item;
  if ("order" in leadsTo) return propose(closed, leadsTo.order);
  if ("tab" in leadsTo) return still({ ...closed, tab: leadsTo.tab, focus: "pane" });
  return still({ ...closed, dialog: levelMenu(leadsTo.levelsOf) });
}
