/** The options that every program has. `-h, --help` and `--version` are added by `command-line.ts`. */
import { flag, level, list, optional } from "./option.ts";
import { pathFormat } from "./value-format.ts";

export const commonOptions = {
  configuration: optional(
    pathFormat,
    "FILE",
    "Read this configuration file instead of the defaults",
    {
      short: "c",
      stored: false,
    },
  ),
  quiet: level("Log less; twice: errors only", { short: "q" }),
  verbose: level("Log more; twice: every detail, and stack traces with errors", { short: "v" }),
  "log-file": optional(pathFormat, "FILE", "Log to this file too, as JSON lines", { short: "l" }),
};

/** For the programs that run a tree. */
export const daemonOptions = {
  debug: list(
    "TASK",
    "Log every message of the tasks of this name; * stands for any letters. Repeatable",
  ),
  "dev-mode": flag("Shorten all timeouts and intervals and log at debug level; not for production"),
  "allow-root": flag("Run although the user is root"),
};

/** The files that are read without `-c`, in this order. */
export function defaultFiles(home: string): string[] {
  return [
    "/etc/piwheels.conf",
    "/usr/local/etc/piwheels.conf",
    `${home}/.config/piwheels/piwheels.conf`,
  ];
}
