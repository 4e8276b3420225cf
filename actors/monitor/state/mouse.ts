/** What the mouse means: a click selects, one on what is selected opens it, the wheel scrolls what is below it. Pure. */
import type { Input } from "../terminal/key-parser.ts";
import { clickOnDialog } from "./dialog-box.ts";
import { actionsOf, chosen, moveInList, moveInPane, pressKey } from "./keys.ts";
import { isWithin, layoutOf, taskRows } from "./layout.ts";
import {
  type Dialog,
  keyOfTask,
  type MonitorState,
  shownSubjects,
  shownTasks,
} from "./monitor-state.ts";
import { type Step, still } from "./step.ts";
import { tabAt } from "./tab-bar.ts";

type Mouse = Extract<Input, { kind: "mouse" }>;

const WHEEL_LINES = 3;

export function takeMouse(state: MonitorState, mouse: Mouse): Step {
  if (state.dialog !== null) return onDialog(state, state.dialog, mouse);
  const { column, row } = mouse;
  const { list, tabs, pane } = layoutOf(state.size, state.farm.subjects.length);
  const lines = { "wheel-up": -WHEEL_LINES, "wheel-down": WHEEL_LINES, click: 0 }[mouse.what];
  if (isWithin(list, column, row))
    return lines === 0
      ? clickOnList(state, row - list.y)
      : still(moveInList({ ...state, focus: "list" }, { lines }));
  if (isWithin(pane, column, row))
    return still(
      lines === 0
        ? clickOnPane(state, row - pane.y)
        : moveInPane({ ...state, focus: "pane" }, { lines }),
    );
  if (lines === 0 && isWithin(tabs, column, row)) {
    const tab = tabAt(column - tabs.x);
    return still(tab === undefined ? state : { ...state, tab });
  }
  return still(state);
}

function clickOnList(state: MonitorState, line: number): Step {
  const subject = shownSubjects(state)[state.top + line];
  if (subject === undefined) return still({ ...state, focus: "list" });
  const isAgain = subject.key === state.selected && state.focus === "list";
  const selected = { ...state, selected: subject.key, focus: "list" as const };
  return still(isAgain ? { ...selected, dialog: actionsOf(selected) } : selected);
}

/** The first line of the tree has its heads. */
function clickOnPane(state: MonitorState, line: number): MonitorState {
  const focused = { ...state, focus: "pane" as const };
  const node = state.tab === "tasks" ? shownTasks(state)[state.scroll.tasks + line - 1] : undefined;
  const { pane } = layoutOf(state.size, state.farm.subjects.length);
  if (node === undefined || line === 0 || line > taskRows(pane.height)) return focused;
  const isAgain = state.focus === "pane" && state.task === keyOfTask(node);
  const selected = { ...focused, task: keyOfTask(node) };
  return isAgain ? { ...selected, dialog: actionsOf(selected) } : selected;
}

function onDialog(state: MonitorState, dialog: Dialog, mouse: Mouse): Step {
  const key = { "wheel-up": "up", "wheel-down": "down", click: "" }[mouse.what];
  if (key !== "") return dialog.kind === "confirm" ? still(state) : press(state, key);
  const clicked = clickOnDialog(dialog, state.size, mouse);
  if (typeof clicked === "object")
    return dialog.kind === "menu"
      ? chosen({ ...state, dialog: null }, dialog.items[clicked.item])
      : still(state);
  switch (clicked) {
    case "yes":
      return press(state, "y");
    case "no":
      return press(state, "n");
    case "outside":
      return press(state, "escape");
    case "nothing":
      return still(state);
  }
}

const press = (state: MonitorState, key: string): Step => pressKey(state, { kind: "key", key });
