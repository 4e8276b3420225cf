/** What can be done with what is selected, for Enter and for `l`. Pure. */
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import { cleanText } from "../terminal/clean-text.ts";
import type { Subject } from "./farm-view.ts";
import type { Dialog, MenuItem } from "./monitor-state.ts";
import { type Order, orderText, type Whom } from "./order.ts";

const menu = (title: string, items: readonly MenuItem[]): Dialog => ({
  kind: "menu",
  title,
  items,
  at: 0,
});

const order = (one: Order, label = sentence(orderText(one))): MenuItem => ({
  label,
  leadsTo: { order: one },
});

const sentence = (text: string): string => text.replace(/^./, (letter) => letter.toUpperCase());

const steer = (action: "kill" | "sleep" | "wake" | "skip", whom: Whom, label?: string): MenuItem =>
  order({ type: "STEER", action, whom }, label);

export function masterMenu(): Dialog {
  return menu("The master", [
    order({ type: "PAUSE", task: "*" }),
    order({ type: "RESUME", task: "*" }),
    steer("sleep", "all"),
    steer("wake", "all"),
    steer("skip", "all"),
    steer("kill", "all"),
    { label: "Log level of all tasks…", leadsTo: { levelsOf: null } },
    { label: "Show the tasks", leadsTo: { tab: "tasks" } },
    order({ type: "QUIT" }),
  ]);
}

export function slaveMenu({ key, label, isAsleep, build }: Subject): Dialog {
  const whom = { id: Number(key), label };
  return menu(cleanText(label), [
    ...(build === null ? [] : [steer("skip", whom, `Skip the build of ${build.package}`)]),
    isAsleep ? steer("wake", whom, "Wake") : steer("sleep", whom, "Put to sleep"),
    steer("kill", whom, "Kill"),
    { label: "Show the log of its build", leadsTo: { tab: "log" } },
    { label: "Show its plots", leadsTo: { tab: "plots" } },
  ]);
}

export function taskMenu(node: TaskNode): Dialog {
  const task = taskName(node);
  return menu(cleanText(task), [
    ...(node.pause === "never" ? [] : [order({ type: "PAUSE", task }, "Pause")]),
    order({ type: "RESUME", task }, "Resume"),
    ...(node.kind === "worker" ? [order({ type: "QUIT_TASK", task }, "Stop")] : []),
    { label: "Log level…", leadsTo: { levelsOf: task } },
  ]);
}

const LEVELS = ["error", "warn", "info", "debug", "trace"] as const;

/** @param task null: of all */
export function levelMenu(task: string | null): Dialog {
  return menu(task === null ? "Log level of all tasks" : `Log level of ${cleanText(task)}`, [
    ...LEVELS.map((level) => order({ type: "LOG_LEVEL", task, level }, level)),
    order({ type: "LOG_LEVEL", task, level: null }, "as configured"),
  ]);
}

/** As PAUSE and its like know it: the last word of its path. */
export const taskName = ({ path }: TaskNode): string => path.slice(path.lastIndexOf("/") + 1);
