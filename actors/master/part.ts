/**
 * One process of the master as Control sees it: its own, or another that is asked over its queue. What is
 * ordered of tasks is done in each of them.
 */
import type { ToPart } from "../../protocol/links/tasks/part.ts";
import type { ProcessVitals } from "../../protocol/model/metric-family.ts";
import type { LogLevel, PartLogLevels } from "../../protocol/model/order.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import {
  type ActorRef,
  defineActor,
  eachNode,
  namePattern,
  type System,
  type TreeNode,
} from "../../supervisor/index.ts";
import type { Meters } from "./metrics/meters.ts";
import { processVitals } from "./metrics/process-vitals.ts";
import type { Refusals } from "./refusals.ts";

/** Each order gives the ids of the tasks that it concerned; `task` is a name or a pattern with `*`. */
export interface MasterPart {
  readonly name: string;
  pause(task: string): Promise<readonly string[]>;
  resume(task: string): Promise<readonly string[]>;
  /** Ends tasks in order; RESUME starts them again. */
  quitTask(task: string): Promise<readonly string[]>;
  /** Ends the process in order, and waits for no transfer any more; settles when it has been told. */
  quit(): Promise<void>;
  /** With the children of dynamic supervisors, or a sum of them. */
  tree(sessions: boolean): Promise<readonly TaskNode[]>;
  /** Of all tasks (null) or of some; null: as it was configured. */
  logLevel(task: string | null, level: LogLevel | null): Promise<readonly string[]>;
  logLevels(): Promise<PartLogLevels>;
  /** What the process tells /metrics of itself. */
  vitals(): Promise<ProcessVitals>;
}

/** How much this process logs, as its log goes by it. */
export interface ProcessLog {
  set(task: string | null, level: LogLevel | null): void;
  now(): Omit<PartLogLevels, "part">;
}

/** Shorter than the tools wait. */
const PATIENCE = { timeoutMs: 4_000 };
/** Shorter than a scrape waits: the others are told without a part that hangs. */
const VITALS_PATIENCE = { timeoutMs: 1_500 };

/** Whoever could bring the tasks back is not ended with them, nor who holds the database for them. */
const spared = ["/leadership", "/parts", "/links", "/observers"];

/** The part that runs here. The system is asked for when it is needed: its tree is made before it is. `end` stops it. */
export function localPart(
  name: string,
  system: () => System | undefined,
  end: () => void,
  refusals: Refusals,
  log: ProcessLog,
  meters: Meters,
): MasterPart {
  const levels = new TaskLogs(log);
  return {
    name,
    pause: async (task) => system()?.pause(task) ?? [],
    resume: async (task) => system()?.resume(task) ?? [],
    quitTask: async (task) => system()?.quit(task, spared) ?? [],
    quit: async () => end(),
    tree: async (sessions) => {
      const running = system();
      return running === undefined ? [] : rowsOf(name, running.tree(), refusals, sessions);
    },
    logLevel: async (task, level) => levels.set(system(), task, level),
    logLevels: async () => ({ part: name, ...log.now() }),
    vitals: async () => {
      const running = system();
      const families = running === undefined ? [] : await processVitals(running, meters, refusals);
      return { process: name, families };
    },
  };
}

/** What was ordered of the log of this process: a task at level debug or below also has its messages logged. */
class TaskLogs {
  readonly #log: ProcessLog;
  /** By pattern, what takes it back. */
  readonly #messages = new Map<string, () => void>();

  constructor(log: ProcessLog) {
    this.#log = log;
  }

  set(system: System | undefined, task: string | null, level: LogLevel | null): string[] {
    if (system === undefined) return [];
    const isMeant = namePattern(task ?? "*");
    const actors = Array.from(eachNode(system.tree())).filter(
      ({ id, kind, path }) => kind === "worker" && isMeant(id, path),
    );
    if (actors.length === 0) return [];
    this.#log.set(task, level);
    const wanted = this.#log.now().tasks.filter((each) => each.level !== null && isLow(each.level));
    const patterns = new Set(wanted.map((each) => each.task));
    for (const [pattern, stop] of this.#messages)
      if (!patterns.has(pattern) && this.#messages.delete(pattern)) stop();
    for (const pattern of patterns)
      if (!this.#messages.has(pattern)) this.#messages.set(pattern, system.logMessages(pattern));
    const ids = [...new Set(actors.map(({ id }) => id))];
    return task === null ? [] : ids.slice(0, MOST_NAMED);
  }
}

const isLow = (level: LogLevel): boolean => level === "debug" || level === "trace";
/** Sessions and transfers come by the thousand. */
const MOST_NAMED = 1_000;

export function remotePart(name: string, agent: ActorRef<ToPart>): MasterPart {
  return {
    name,
    pause: (task) => agent.ask("PAUSE", { task }, PATIENCE),
    resume: (task) => agent.ask("RESUME", { task }, PATIENCE),
    quitTask: (task) => agent.ask("QUIT_TASK", { task }, PATIENCE),
    quit: () => agent.ask("QUIT", undefined, PATIENCE),
    tree: (sessions) => agent.ask("TREE", { sessions }, PATIENCE),
    logLevel: (task, level) => agent.ask("LOG_LEVEL", { task, level }, PATIENCE),
    logLevels: () => agent.ask("LOG_LEVELS", undefined, PATIENCE),
    vitals: () => agent.ask("VITALS", undefined, VITALS_PATIENCE),
  };
}

/** Takes for its process what Control, in another one, is asked. */
export const partAgent = defineActor<ToPart, MasterPart, MasterPart>({
  name: "takes orders for the tasks of this process",
  init: (_ctx, part) => part,
  handle: {
    PAUSE: (part, { task }) => part.pause(task),
    RESUME: (part, { task }) => part.resume(task),
    // Answers when the order is given: a task has its own time to stop.
    QUIT_TASK: (part, { task }) => part.quitTask(task),
    QUIT(part, _body, ctx) {
      ctx.log.info("the main part asked this one to quit");
      // After the answer: a part that is stopping gives none.
      setImmediate(() => void part.quit());
    },
    TREE: (part, { sessions }) => part.tree(sessions),
    LOG_LEVEL: (part, { task, level }) => part.logLevel(task, level),
    LOG_LEVELS: (part) => part.logLevels(),
    VITALS: (part) => part.vitals(),
  },
});

const LONGEST_TEXT = 2_000;

function rowsOf(part: string, tree: TreeNode, refusals: Refusals, sessions: boolean): TaskNode[] {
  return Array.from(sessions ? eachNode(tree) : eachTask(tree), (node) => {
    const refused = refusals.of(node.path);
    const isSummed = !sessions && node.kind === "dynamic" && node.children.length > 0;
    return {
      ...rowOf(part, node),
      ...(isSummed && { below: sumOf(node.children) }),
      ...(refused && { refused }),
    };
  });
}

/** All that do not come and go with slaves and builds. */
function* eachTask(node: TreeNode): Generator<TreeNode> {
  yield node;
  if (node.kind !== "dynamic") for (const below of node.children) yield* eachTask(below);
}

function sumOf(children: readonly TreeNode[]): NonNullable<TaskNode["below"]> {
  const below = { count: children.length, mailboxDepth: 0, busyMs: 0, handled: 0, degraded: 0 };
  for (const { mailboxDepth, busyMs, handled, degraded } of children) {
    below.mailboxDepth = Math.max(below.mailboxDepth, mailboxDepth);
    below.busyMs = Math.max(below.busyMs, Math.round(busyMs));
    below.handled = Math.max(below.handled, handled);
    if (degraded !== undefined) below.degraded += 1;
  }
  return below;
}

const rowOf = (part: string, node: TreeNode): TaskNode => ({
  part,
  path: node.path,
  role: node.role,
  kind: node.kind,
  state: node.state,
  pause: node.pause,
  incarnation: node.incarnation,
  mailboxDepth: node.mailboxDepth,
  busyMs: Math.round(node.busyMs),
  handled: node.handled,
  restarts: node.restarts,
  ...(node.lastError !== undefined && { lastError: node.lastError.slice(0, LONGEST_TEXT) }),
  ...(node.degraded && {
    degraded: {
      reason: node.degraded.reason.slice(0, LONGEST_TEXT),
      sinceAt: node.degraded.sinceAt,
    },
  }),
});
