/** piw farm: everything on this machine, with a database of its own. */
import { fileURLToPath } from "node:url";
import type { FarmParts } from "../../actors/farm/parts.ts";
import { type Farm, startFarm } from "../../actors/farm/tree.ts";
import { probeInterpreter } from "../../actors/slave/interpreter.ts";
import { farmProgram, farmSettings } from "../../config/farm.ts";
import { startFarmDatabase } from "../../db/farm-database.ts";
import { lockFolder } from "../../db/folder-lock.ts";
import { startSampleUpstream } from "../../samples/index.ts";
import { runProgram, runsAsRoot } from "../program.ts";
import { reportLines } from "../report-table.ts";
import { readRequirements } from "../requirements.ts";

export function farm(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: farmProgram,
      logLevel: "warn",
      run: async (values, operands, frame) => {
        const requirements = readRequirements(operands, values.requirement);
        const settings = farmSettings(values, requirements, runsAsRoot());
        let started: Farm | undefined;
        const code = await frame.superviseTree(
          async (logger, signal) => {
            started = await startFarm(settings, farmParts(settings.allowRoot), logger, signal);
            return started.system;
          },
          // The master and the slaves stop one after the other.
          4 * settings.times.shutdownMs,
        );
        return started?.outcome()?.isAllBuilt === false ? 1 : code;
      },
    },
    argv,
  );
}

const farmParts = (allowRoot: boolean): FarmParts => ({
  startDatabase: ({ folder, log }) => startFarmDatabase({ folder, log, allowRoot }),
  startUpstream: (port) => startSampleUpstream({ port }),
  checkPython: probeInterpreter,
  lockFolder,
  masterCommand: programCommand("piw-master"),
  slaveCommand: programCommand("piw-slave"),
  output: process.stdout,
  reportLines,
});

/** The program beside this one, run as this one is: built, or from its sources in development. */
function programCommand(name: string): [string, ...string[]] {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`../${name}.${extension}`, import.meta.url));
  const options = process.execArgv.length > 0 ? process.execArgv : ["--enable-source-maps"];
  return [process.execPath, ...options, script];
}
