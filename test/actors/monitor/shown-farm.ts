/** A farm as the screens are given it, for tests of them: values alone, no master. */
import { emptyView, type FarmView, type Subject } from "../../../actors/monitor/state/farm-view.ts";
import {
  type Effect,
  firstState,
  type MonitorEvent,
  type MonitorState,
} from "../../../actors/monitor/state/monitor-state.ts";
import { reduce } from "../../../actors/monitor/state/reduce.ts";
import type { TaskNode } from "../../../protocol/model/task-tree.ts";

export const NOW = 1_800_000_000_000;

export const slave = (number: number, more: Partial<Subject> = {}): Subject => ({
  key: number,
  label: `slave-${number}`,
  abi: "cp311",
  state: "idle",
  upSinceAt: NOW - 3_600_000,
  task: "",
  taskSinceAt: NOW - 5_000,
  isAsleep: false,
  build: null,
  lastBuild: null,
  stats: null,
  facts: [`slave ${number}`],
  ...more,
});

const build = { token: 7, package: "numpy", version: "2.1.0", target: "cp311-linux_x86_64" };

export const building = (number: number): Subject =>
  slave(number, { state: "building", task: "numpy 2.1.0", build, lastBuild: build });

const master: Subject = { ...slave(0), key: "master", label: "master", abi: "", state: "running" };

export const task = (path: string, more: Partial<TaskNode> = {}): TaskNode => ({
  part: "master",
  path,
  role: "does its work",
  kind: "worker",
  state: "running",
  pause: "park",
  incarnation: 1,
  mailboxDepth: 0,
  busyMs: 0,
  handled: 10,
  restarts: 0,
  ...more,
});

export const farm = (slaves: readonly Subject[], more: Partial<FarmView> = {}): FarmView => ({
  ...emptyView(NOW),
  connection: { isHere: true, isNew: false, sinceAt: NOW, why: null },
  subjects: [master, ...slaves],
  ...more,
});

/** A monitor that has been shown a farm, at 80 columns by 24 lines. */
export function watching(view: FarmView, size = { columns: 80, rows: 24 }): Monitor {
  const monitor = new Monitor(firstState(size, NOW));
  monitor.take({ kind: "farm", view });
  return monitor;
}

export class Monitor {
  state: MonitorState;
  readonly effects: Effect[] = [];

  constructor(state: MonitorState) {
    this.state = state;
  }

  take(event: MonitorEvent): void {
    const step = reduce(this.state, event);
    this.state = step.state;
    this.effects.push(...step.effects);
  }

  /** Keys by name, or letters. */
  press(...keys: string[]): this {
    for (const key of keys) this.take({ kind: "input", input: { kind: "key", key } });
    return this;
  }

  click(column: number, row: number): this {
    this.take({ kind: "input", input: { kind: "mouse", what: "click", column, row } });
    return this;
  }

  get notice(): string {
    return this.state.notices.at(-1)?.text ?? "";
  }
}
