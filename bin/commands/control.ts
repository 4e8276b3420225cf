/** piw status, piw pause and piw resume: what is asked of a running master over its control link. */
import { pauseProgram, resumeProgram, statusProgram } from "../../config/tools.ts";
import { controlLink } from "../../protocol/links/control.ts";
import { askMaster } from "../ask-master.ts";
import { runProgram } from "../program.ts";
import { reportLines } from "../report-table.ts";

export function status(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: statusProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const report = await askMaster({
          link: controlLink,
          address: values["control-queue"],
          type: "REPORT",
          body: {},
          waitMs: values.wait,
          logger: frame.logger,
          signal: frame.signal,
        });
        if (values.json) {
          frame.print(JSON.stringify(report, undefined, 2));
        } else {
          reportLines(report).forEach(frame.print);
        }
        return 0;
      },
    },
    argv,
  );
}

export function pause(argv: readonly string[]): Promise<void> {
  return order("PAUSE", argv);
}

export function resume(argv: readonly string[]): Promise<void> {
  return order("RESUME", argv);
}

function order(type: "PAUSE" | "RESUME", argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: type === "PAUSE" ? pauseProgram : resumeProgram,
      logLevel: "warn",
      run: async (values, [task = ""], frame) => {
        const { tasks } = await askMaster({
          link: controlLink,
          address: values["control-queue"],
          type,
          body: { task },
          waitMs: values.wait,
          logger: frame.logger,
          signal: frame.signal,
        });
        if (tasks.length === 0) {
          throw new Error(`no task of the master that can be paused is called ${task}`);
        }
        frame.print(`${type === "PAUSE" ? "paused" : "running"}: ${tasks.join(", ")}`);
        return 0;
      },
    },
    argv,
  );
}
