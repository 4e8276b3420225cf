/** piw-import: its options. */
import { commonOptions } from "./common-options.ts";
import { importQueueOption } from "./master.ts";
import { flag, option, optional, type Program } from "./option.ts";
import { durationFormat, pathFormat, textFormat } from "./value-format.ts";

export const importProgram = {
  name: "piw-import",
  section: "import",
  summary:
    "Registers wheels that were built elsewhere as one build of the farm, and publishes them.",
  operand: {
    name: "WHEEL",
    doc: "A wheel's file; all are of one version of one project",
    variadic: true,
    required: true,
  },
  options: {
    ...commonOptions,
    package: optional(textFormat, "NAME", "The project that the wheels must be of", {
      stored: false,
    }),
    "package-version": optional(textFormat, "VERSION", "The version that the wheels must be of", {
      stored: false,
    }),
    target: optional(textFormat, "NAME", "The target that each wheel must fit; else any will do", {
      stored: false,
    }),
    duration: optional(durationFormat, "DURATION", "How long it took to build them", {
      stored: false,
    }),
    output: optional(pathFormat, "FILE", "The log of the build, to be published with it", {
      stored: false,
    }),
    delete: flag("Remove the wheels once the master says that they are public", { stored: false }),
    yes: flag("Go ahead without asking", { short: "y", stored: false }),
    "import-queue": importQueueOption,
    wait: option(
      durationFormat,
      "DURATION",
      "1min",
      "Give up when nothing was heard of the master",
    ),
  },
} satisfies Program;
