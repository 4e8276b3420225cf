/** piw tasks, pause, resume and quit: what is asked of a running master over its control link. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { pauseProgram, quitProgram, resumeProgram, tasksProgram } from "../../config/tools.ts";
import { controlLink } from "../../protocol/links/control.ts";
import type { Obeyed } from "../../protocol/model/order.ts";
import {
  type ClientKeys,
  EndpointConfigError,
  keysOverTcp,
  readClientKeys,
} from "../../protocol/transport/index.ts";
import { askMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { orderedBy } from "../ordered-by.ts";
import { type Frame, runProgram } from "../program.ts";
import { taskLines } from "../task-table.ts";

interface MasterValues {
  readonly "control-queue": string;
  readonly key: string | undefined;
  readonly "master-key": string | undefined;
  readonly wait: number;
}

/** Whom all of them ask, and for how long. */
export const masterOf = (values: MasterValues, frame: Pick<Frame, "logger" | "signal">) => ({
  link: controlLink,
  address: values["control-queue"],
  keys: controlKeys(values),
  waitMs: values.wait,
  logger: frame.logger,
  signal: frame.signal,
});

/** Not looked at for a master of this machine. @throws ConfigurationError where they cannot be used */
export function controlKeys(values: Omit<MasterValues, "wait">): ClientKeys | undefined {
  const { "control-queue": address, key, "master-key": masterKey } = values;
  try {
    return keysOverTcp(address, true) && readClientKeys(key, masterKey);
  } catch (error) {
    if (!(error instanceof EndpointConfigError)) throw error;
    throw new ConfigurationError(error.message);
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
          body: { sessions: true },
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

export const pause = (argv: readonly string[]): Promise<void> => order(pauseProgram, "PAUSE", argv);

export const resume = (argv: readonly string[]): Promise<void> =>
  order(resumeProgram, "RESUME", argv);

/** Of a task, or of the whole master. */
export function quit(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: quitProgram,
      logLevel: "warn",
      run: async (values, [task], frame) => {
        const question = masterOf(values, frame);
        const by = orderedBy(quitProgram.name);
        if (task !== undefined) {
          const body = { task, by };
          return report(await askMaster({ ...question, type: "QUIT_TASK", body }), values, frame);
        }
        const what = `Stop the whole master at ${harmless(question.address)}?`;
        if (!(await confirm(what, values, frame))) {
          frame.print("Nothing was done.");
          return REFUSED;
        }
        return report(await askMaster({ ...question, type: "QUIT", body: { by } }), values, frame);
      },
    },
    argv,
  );
}

function order(
  program: typeof pauseProgram | typeof resumeProgram,
  type: "PAUSE" | "RESUME",
  argv: readonly string[],
): Promise<void> {
  return runProgram(
    {
      program,
      logLevel: "warn",
      run: async (values, [task = ""], frame) => {
        const body = { task, by: orderedBy(program.name) };
        return report(await askMaster({ ...masterOf(values, frame), type, body }), values, frame);
      },
    },
    argv,
  );
}

/** What became of an order. @returns exit code. @throws Error with what was not done, where people read it */
export function report(
  obeyed: Obeyed,
  { json }: { readonly json: boolean },
  { print }: Pick<Frame, "print">,
): number {
  if (json) print(JSON.stringify(obeyed, undefined, 2));
  else if (obeyed.isDone) print(harmless(obeyed.outcome));
  else throw new Error(obeyed.outcome);
  return obeyed.isDone ? 0 : 1;
}
