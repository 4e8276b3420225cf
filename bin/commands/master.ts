/** piw-master: the supervised master node. */
import { startMaster } from "../../actors/master/tree.ts";
import { masterProgram, masterSettings } from "../../config/master.ts";
import { runProgram } from "../program.ts";

export function master(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: masterProgram,
      refusesRoot: true,
      run: (values, _operands, frame) => {
        const settings = masterSettings(values, frame.hooks);
        return frame.superviseTree(
          (logger, signal) => startMaster(settings, logger, frame.logLevels, signal),
          settings.times.drainMs + settings.times.shutdownMs,
        );
      },
    },
    argv,
  );
}
