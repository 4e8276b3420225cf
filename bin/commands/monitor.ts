/** piw-monitor: the master and its slaves on a terminal. */
import { abilitiesOf, terminalProblem } from "../../actors/monitor/terminal/abilities.ts";
import { monitorProgram, monitorSettings } from "../../config/monitor.ts";
import { HeldLog } from "../held-log.ts";
import { orderedBy } from "../ordered-by.ts";
import { runProgram } from "../program.ts";
import { controlKeys } from "./control.ts";

export function monitor(argv: readonly string[]): Promise<void> {
  // Where they are lines, the log and what draws the screen would be in each other's way.
  const log = new HeldLog(process.stderr);
  return runProgram(
    {
      program: monitorProgram,
      logLevel: "warn",
      logStream: log,
      run: async (values, _operands, frame) => {
        const { stdin, stdout, env } = process;
        const problem = terminalProblem(env, stdin.isTTY && stdout.isTTY);
        if (problem !== undefined) throw new Error(problem);
        const settings = monitorSettings(values, orderedBy(monitorProgram.name));
        const keys = controlKeys(values);
        const abilities = abilitiesOf(env, {
          ascii: values.ascii,
          plots: values.plots,
          mouse: !values["no-mouse"],
        });
        // React is twice as fast, and remembers nothing of each drawing; it looks when it is loaded.
        env["NODE_ENV"] ??= "production";
        const { startMonitor } = await import("../../actors/monitor/tree.ts");
        try {
          return await frame.superviseTree(
            (logger, signal) =>
              startMonitor(
                settings,
                keys,
                { input: stdin, output: stdout, ...abilities },
                logger,
                signal,
              ),
            settings.shutdownMs,
          );
        } finally {
          log.release();
        }
      },
    },
    argv,
  );
}
