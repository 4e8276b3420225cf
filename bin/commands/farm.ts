/** piw farm: everything on this machine, from the parts of rooms that the farm's tree does not know. */
import { fileURLToPath } from "node:url";
import { type Farm, startFarm } from "../../actors/farm/tree.ts";
import { farmProgram, farmSettings } from "../../config/farm.ts";
import type { FarmSettings } from "../../config/settings.ts";
import { farmParts } from "../farm-parts.ts";
import { type Frame, INTERRUPTED, runProgram, runsAsRoot } from "../program.ts";
import { readRequirements } from "../requirements.ts";

export function farm(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: farmProgram,
      // Its own lines say what a person wants to know; the programs have logs of theirs.
      logLevel: "warn",
      run: (values, operands, frame) => {
        const requirements = readRequirements(operands, values.requirement);
        return run(farmSettings(values, requirements, runsAsRoot()), frame);
      },
    },
    argv,
  );
}

/** With `--once`: 0 only if all was built; a farm that was stopped before that does not know. */
async function run(settings: FarmSettings, frame: Frame): Promise<number> {
  let farm: Farm | undefined;
  const code = await frame.superviseTree(
    async (logger, signal) => {
      farm = await startFarm(settings, farmParts(settings, binFolder), logger, signal);
      return farm.system;
    },
    settings.times.drainMs + 3 * (settings.times.shutdownMs + 10_000),
  );
  if (code !== 0 || !settings.once) {
    return code;
  }
  const outcome = farm?.outcome();
  return outcome === undefined ? INTERRUPTED : outcome.isAllBuilt ? 0 : 1;
}

/** Where the programs lie, beside this one: built or, in development, as sources. */
const binFolder = fileURLToPath(new URL("../", import.meta.url));
