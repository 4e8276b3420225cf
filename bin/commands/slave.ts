/** piw-slave: a build slave, or with `--check` what this machine could do as one. */
import { ToldToEndError } from "../../actors/slave/told-to-end.ts";
import { checkSlave, startSlave } from "../../actors/slave/tree.ts";
import { slaveProgram, slaveSettings } from "../../config/slave.ts";
import { runProgram } from "../program.ts";

/** A person has killed it: a service manager that restarts what failed leaves this one be (`deploy/piw-slave.service`). */
const TOLD_TO_END = 3;

export function slave(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: slaveProgram,
      refusesRoot: true,
      exitCode: (error) => (error instanceof ToldToEndError ? TOLD_TO_END : undefined),
      run: async (values, _operands, frame) => {
        const settings = slaveSettings(values, frame.runners);
        if (values.check) {
          const { ok, lines } = await checkSlave(settings);
          lines.forEach(frame.print);
          return ok ? 0 : 1;
        }
        return frame.superviseTree(
          (logger, signal) => startSlave(settings, logger, signal),
          settings.times.shutdownMs,
        );
      },
    },
    argv,
  );
}
