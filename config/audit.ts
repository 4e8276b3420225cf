/** piw-audit: its options. */
import { commonOptions } from "./common-options.ts";
import { dsnOption, outputPathOption } from "./master.ts";
import { flag, type Program } from "./option.ts";

export const auditProgram = {
  name: "piw-audit",
  section: "audit",
  summary:
    "Checks the output folder against the database: what is missing, orphaned, of a wrong size or hash.",
  options: {
    ...commonOptions,
    dsn: {
      ...dsnOption,
      doc: "The database, as libpq understands it; without --repair its user need only read",
    },
    "output-path": { ...outputPathOption, doc: "The folder that the master writes" },
    repair: flag("Mend what is found; what is wrong is moved to .store/quarantine", {
      stored: false,
    }),
    yes: flag("Go ahead without asking", { short: "y", stored: false }),
    json: flag("Print each finding as a line of JSON, and a last line with the sums", {
      stored: false,
    }),
    quick: flag("Look at names and sizes only", { stored: false }),
    hash: flag("Read and hash every file too, as is done without --quick", { stored: false }),
  },
} satisfies Program;
