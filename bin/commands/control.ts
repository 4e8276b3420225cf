/** piw tasks, pause, resume and quit: what is asked of a running master over its control link. */
import { pauseProgram, quitProgram, resumeProgram, tasksProgram } from "../../config/tools.ts";
import { controlLink } from "../../protocol/links/control.ts";
import { askMaster } from "../ask-master.ts";
import { type Frame, runProgram } from "../program.ts";
import { taskLines } from "../task-table.ts";

/** Whom all of them ask, and for how long. */
export const masterOf = (
  values: { readonly "control-queue": string; readonly wait: number },
  frame: Pick<Frame, "logger" | "signal">,
) => ({
  link: controlLink,
  address: values["control-queue"],
  waitMs: values.wait,
  logger: frame.logger,
  signal: frame.signal,
});

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
