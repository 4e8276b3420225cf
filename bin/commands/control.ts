/** piw status, tasks, pause, resume and quit: what is asked of a running master over its control link. */
import {
  pauseProgram,
  quitProgram,
  resumeProgram,
  statusProgram,
  tasksProgram,
} from "../../config/tools.ts";
import { controlLink } from "../../protocol/links/control.ts";
import type { Everything } from "../../protocol/model/statistics.ts";
import { askMaster } from "../ask-master.ts";
import { type Frame, runProgram } from "../program.ts";
import { reportLines } from "../report-table.ts";
import { statisticsLines } from "../statistics-lines.ts";
import { taskLines } from "../task-table.ts";

/** Whom all of them ask, and for how long. */
const masterOf = (
  values: { readonly "control-queue": string; readonly wait: number },
  frame: Pick<Frame, "logger" | "signal">,
) => ({
  link: controlLink,
  address: values["control-queue"],
  waitMs: values.wait,
  logger: frame.logger,
  signal: frame.signal,
});

export function status(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: statusProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const question = { ...masterOf(values, frame), body: {} };
        const report = await askMaster({ ...question, type: "REPORT" });
        const statistics = await findStatistics(() => askMaster({ ...question, type: "HELLO" }));
        if (values.json) {
          frame.print(JSON.stringify({ ...report, statistics }, undefined, 2));
          return 0;
        }
        const lines = statistics === null ? [] : statisticsLines(statistics);
        [...reportLines(report), ...lines].forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

/** Null from a master whose Big Brother does not answer: the report says what is wrong with it. */
async function findStatistics(ask: () => Promise<Everything>): Promise<Everything | null> {
  try {
    return await ask();
  } catch {
    return null;
  }
}

export function tasks(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: tasksProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const tree = await askMaster({
          ...masterOf(values, frame),
          type: "TREE",
          body: {},
        });
        if (values.json) {
          frame.print(JSON.stringify(tree, undefined, 2));
        } else {
          taskLines(tree.tasks, tree.silent).forEach(frame.print);
        }
        return tree.silent.length === 0 ? 0 : 1;
      },
    },
    argv,
  );
}

export function pause(argv: readonly string[]): Promise<void> {
  return order({ program: pauseProgram, type: "PAUSE", done: "paused" }, argv);
}

export function resume(argv: readonly string[]): Promise<void> {
  return order({ program: resumeProgram, type: "RESUME", done: "running" }, argv);
}

export function quit(argv: readonly string[]): Promise<void> {
  return order({ program: quitProgram, type: "QUIT_TASK", done: "stopped" }, argv);
}

interface Order {
  readonly program: typeof pauseProgram | typeof resumeProgram | typeof quitProgram;
  readonly type: "PAUSE" | "RESUME" | "QUIT_TASK";
  /** What the tasks are then. */
  readonly done: string;
}

function order({ program, type, done }: Order, argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program,
      logLevel: "warn",
      run: async (values, [task], frame) => {
        const question = masterOf(values, frame);
        if (task === undefined) {
          await askMaster({ ...question, type: "QUIT", body: {} });
          frame.print("the master stops");
          return 0;
        }
        const { tasks, silent } = await askMaster({ ...question, type, body: { task } });
        if (tasks.length > 0) {
          frame.print(`${done}: ${tasks.join(", ")}`);
        }
        if (silent.length > 0) {
          throw new Error(
            `these parts of the master did not answer, so whether their tasks obeyed is unknown: ${silent.join(", ")}`,
          );
        }
        if (tasks.length === 0) {
          throw new Error(refusals[type](task));
        }
        return 0;
      },
    },
    argv,
  );
}

const refusals: Readonly<Record<Order["type"], (task: string) => string>> = {
  PAUSE: (task) => `no task of the master that can be paused is called ${task}`,
  RESUME: (task) =>
    `no task of the master that can be paused, or was told to quit, is called ${task}`,
  QUIT_TASK: (task) => `no task of the master that can be stopped is called ${task}`,
};
