/**
 * One process of the master as Control sees it: its own, or another that is asked over its queue. What is
 * ordered of tasks is done in each of them.
 */
import type { ToPart } from "../../protocol/links/tasks/part.ts";
import type { ProcessVitals } from "../../protocol/model/metric-family.ts";
import type { TaskNode } from "../../protocol/model/task-tree.ts";
import {
  type ActorRef,
  defineActor,
  eachNode,
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
  /** Ends the process in order; settles when it has been told. */
  quit(): Promise<void>;
  tree(): Promise<readonly TaskNode[]>;
  /** What the process tells /metrics of itself. */
  vitals(): Promise<ProcessVitals>;
}

/** Shorter than the tools wait. */
const PATIENCE = { timeoutMs: 4_000 };
/** Shorter than a scrape waits: the others are told without a part that hangs. */
const VITALS_PATIENCE = { timeoutMs: 1_500 };

/** Whoever could bring the tasks back is not ended with them, nor who holds the database for them. */
const spared = ["/leadership", "/parts", "/links", "/observers"];

/** The part that runs here. The system is asked for when it is needed: its tree is made before it is. */
export function localPart(
  name: string,
  system: () => System | undefined,
  refusals: Refusals,
  meters: Meters,
): MasterPart {
  return {
    name,
    pause: async (task) => system()?.pause(task) ?? [],
    resume: async (task) => system()?.resume(task) ?? [],
    quitTask: async (task) => system()?.quit(task, spared) ?? [],
    quit: async () => void system()?.stop(),
    tree: async () => {
      const running = system();
      return running === undefined ? [] : rowsOf(name, running.tree(), refusals);
    },
    vitals: async () => {
      const running = system();
      const families = running === undefined ? [] : await processVitals(running, meters, refusals);
      return { process: name, families };
    },
  };
}

export function remotePart(name: string, agent: ActorRef<ToPart>): MasterPart {
  return {
    name,
    pause: (task) => agent.ask("PAUSE", { task }, PATIENCE),
    resume: (task) => agent.ask("RESUME", { task }, PATIENCE),
    quitTask: (task) => agent.ask("QUIT_TASK", { task }, PATIENCE),
    quit: () => agent.ask("QUIT", undefined, PATIENCE),
    tree: () => agent.ask("TREE", undefined, PATIENCE),
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
    TREE: (part) => part.tree(),
    VITALS: (part) => part.vitals(),
  },
});

const LONGEST_TEXT = 2_000;

function rowsOf(part: string, tree: TreeNode, refusals: Refusals): TaskNode[] {
  return Array.from(eachNode(tree), (node) => {
    const refused = refusals.of(node.path);
    return { ...rowOf(part, node), ...(refused && { refused }) };
  });
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
