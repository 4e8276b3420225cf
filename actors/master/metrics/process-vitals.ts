/**
 * What one process of the master tells of itself: what its tasks have counted, how its actors are, what they have refused.
 * Asked for through `MasterPart.vitals`. Actors that come and go, such as sessions of slaves, are one task together, so that no
 * label grows with the farm.
 */
import type { MetricFamily } from "../../../protocol/model/metric-family.ts";
import type { System, SystemStatistics, TreeNode } from "../../../supervisor/index.ts";
import type { Refusals } from "../refusals.ts";
import { family } from "./family.ts";
import type { Meters } from "./meters.ts";

export async function processVitals(
  system: System,
  meters: Meters,
  refusals: Refusals,
): Promise<MetricFamily[]> {
  const kept = (await meters.families()).map(({ name, help, type, values }) =>
    family(
      name,
      // The library says it in words, whatever its types say.
      String(type) as MetricFamily["type"],
      help,
      values.map((value) => ({ ...value, labels: value.labels })),
    ),
  );
  return [
    ...kept,
    ...ofSystem(system.statistics()),
    ...ofTasks(tasksOf(system.tree())),
    ofRefusals(refusals),
  ];
}

function ofSystem(statistics: SystemStatistics): MetricFamily[] {
  const { actors, handled, restarts, deadLetters, lost } = statistics;
  return [
    family("wheelwright_actors", "gauge", "Actors that live now.", [{ value: actors }]),
    family("wheelwright_messages_handled_total", "counter", "Messages that actors handled.", [
      { value: handled },
    ]),
    family(
      "wheelwright_actor_restarts_total",
      "counter",
      "Restarts of actors and supervisors, also of those that are gone.",
      [{ value: restarts }],
    ),
    family(
      "wheelwright_dead_letters_total",
      "counter",
      "Messages that could not be delivered, by reason.",
      Object.entries(deadLetters.byReason).map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
    ),
    family(
      "wheelwright_mailbox_losses_total",
      "counter",
      "Messages that a full mailbox dropped or refused.",
      Object.entries(lost).map(([outcome, value]) => ({ labels: { outcome }, value })),
    ),
  ];
}

interface Task {
  readonly name: string;
  /** Whether its actors come and go: what they counted goes with them. */
  readonly isCrowd: boolean;
  actors: number;
  mailbox: number;
  ageMs: number;
  busyMs: number;
  restarts: number;
  handled: number;
  isPaused: boolean;
  isDegraded: boolean;
  isFailed: boolean;
}

const newTask = (name: string, isCrowd: boolean): Task => ({
  name,
  isCrowd,
  actors: 0,
  mailbox: 0,
  ageMs: 0,
  busyMs: 0,
  restarts: 0,
  handled: 0,
  isPaused: false,
  isDegraded: false,
  isFailed: false,
});

/** Links are told from the tasks of the same names that they lead to. */
function nameOf(path: string): string {
  const words = path.split("/").filter((word) => word !== "");
  const last = words.at(-1) ?? "main";
  return words[0] === "links" || words[0] === "parts" ? words.join("/") : last;
}

function tasksOf(root: TreeNode): Task[] {
  const tasks = new Map<string, Task>();
  const add = (node: TreeNode, crowd: string | undefined): void => {
    const isOracles = node.path === "/database/oracles";
    const isCrowd = node.kind === "dynamic" || isOracles;
    if (isCrowd) tasks.set(nameOf(node.path), newTask(nameOf(node.path), node.kind === "dynamic"));
    if (node.kind === "worker") count(tasks, crowd ?? nameOf(node.path), node);
    for (const child of node.children) add(child, isCrowd ? nameOf(node.path) : crowd);
  };
  add(root, undefined);
  return [...tasks.values()];
}

function count(tasks: Map<string, Task>, name: string, node: TreeNode): void {
  const task = tasks.get(name) ?? newTask(name, false);
  tasks.set(name, task);
  const isAlive = node.state === "running" || node.state === "paused";
  task.actors += isAlive ? 1 : 0;
  task.mailbox += node.mailboxDepth;
  task.ageMs = Math.max(task.ageMs, node.mailboxAgeMs);
  task.busyMs = Math.max(task.busyMs, node.busyMs);
  task.restarts += node.restarts;
  task.handled += node.handled;
  task.isPaused ||= node.state === "paused";
  task.isDegraded ||= node.degraded !== undefined;
  // One that was told to quit has stopped, too.
  task.isFailed ||= node.state === "failed" || node.state === "restarting";
}

function ofTasks(tasks: readonly Task[]): MetricFamily[] {
  const gauge = (name: string, help: string, measure: (task: Task) => number) =>
    family(
      `wheelwright_${name}`,
      "gauge",
      help,
      tasks.map((task) => ({ labels: { task: task.name }, value: measure(task) })),
    );
  const lasting = tasks.filter(({ isCrowd }) => !isCrowd);
  const counter = (name: string, help: string, measure: (task: Task) => number) =>
    family(
      `wheelwright_${name}`,
      "counter",
      help,
      lasting.map((task) => ({ labels: { task: task.name }, value: measure(task) })),
    );
  return [
    gauge("task_actors", "Actors of a task that live now.", ({ actors }) => actors),
    gauge(
      "mailbox_messages",
      "Messages that wait in the mailboxes of a task.",
      (task) => task.mailbox,
    ),
    gauge(
      "mailbox_age_seconds",
      "How long the oldest of them has waited.",
      (task) => task.ageMs / 1_000,
    ),
    gauge(
      "task_busy_seconds",
      "How long the message in hand has been in hand.",
      (task) => task.busyMs / 1_000,
    ),
    gauge("task_paused", "1 while a task is paused.", ({ isPaused }) => Number(isPaused)),
    gauge("task_degraded", "1 while a task lacks something that it needs.", (task) =>
      Number(task.isDegraded),
    ),
    gauge("task_failed", "1 while a task has crashed and waits for its restart.", (task) =>
      Number(task.isFailed),
    ),
    counter("task_restarts_total", "Restarts of a task.", ({ restarts }) => restarts),
    counter("task_messages_total", "Messages that a task handled.", ({ handled }) => handled),
  ];
}

function ofRefusals(refusals: Refusals): MetricFamily {
  const values: { labels: Record<string, string>; value: number }[] = [];
  for (const path of refusals.paths()) {
    for (const [reason, value] of Object.entries(refusals.of(path) ?? {}))
      values.push({ labels: { task: nameOf(path), reason }, value });
  }
  return family(
    "wheelwright_refusals_total",
    "counter",
    "What tasks refused: frames, keys, messages out of order, files, tokens.",
    values,
  );
}
