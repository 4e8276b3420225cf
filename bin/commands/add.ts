/** piw-add: adds packages to what a running master builds. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { addProgram } from "../../config/tools.ts";
import { importLink } from "../../protocol/links/import.ts";
import { askMaster } from "../ask-master.ts";
import { runProgram } from "../program.ts";
import { readRequirements } from "../requirements.ts";

export function add(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: addProgram,
      logLevel: "warn",
      run: async (values, operands, frame) => {
        const requirements = readRequirements(operands, values.requirement);
        if (requirements.length === 0) {
          throw new ConfigurationError("nothing to add: give names or -r FILE");
        }
        const { added, known } = await askMaster({
          link: importLink,
          address: values["import-queue"],
          type: "WANT",
          body: {
            requirements,
            withDeps: values["with-deps"],
            withBuildDeps: values["with-build-deps"],
          },
          waitMs: values.wait,
          logger: frame.logger,
          signal: frame.signal,
        });
        frame.print(`${added} added${known === 0 ? "" : `, ${known} known already`}`);
        return 0;
      },
    },
    argv,
  );
}
