/** piw-logger: its options. */
import { commonOptions } from "./common-options.ts";
import { logQueueOption } from "./master.ts";
import { flag, option, type Program } from "./option.ts";
import { textFormat } from "./value-format.ts";

export const loggerProgram = {
  name: "piw-logger",
  section: "logger",
  summary:
    "Feeds the access logs of a web server to a running master: downloads, searches and visits, from files (also " +
    "gzip-compressed) or, without any, from standard input.",
  operand: {
    name: "FILE",
    doc: "An access log; - is standard input",
    variadic: true,
    required: false,
  },
  options: {
    ...commonOptions,
    format: option(
      textFormat,
      "FORMAT",
      "combined",
      "How the lines look: common, combined, common_vhost, or an Apache LogFormat string",
    ),
    drop: flag(
      "Drop records while the master is away or cannot keep up, instead of waiting for it",
    ),
    "log-queue": logQueueOption,
  },
} satisfies Program;
