/** piw-slave: its options, and the settings that its tree takes. */
import { hostname } from "node:os";
import { join } from "node:path";
import { commonOptions, daemonOptions } from "./common-options.ts";
import { flag, list, option, optional, type Program, type Values } from "./option.ts";
import type { SlaveSettings } from "./settings.ts";
import { slaveTimes } from "./times.ts";
import {
  countFormat,
  durationFormat,
  pathFormat,
  queueFormat,
  textFormat,
} from "./value-format.ts";
import { productVersion } from "./version.ts";

const slaveOptions = {
  ...commonOptions,
  ...daemonOptions,
  master: option(textFormat, "HOST", "localhost", "Host name or IP address of the master", {
    short: "m",
  }),
  "master-key": optional(
    textFormat,
    "KEY",
    "Public key of the master: its 40 characters, or a file that holds them",
  ),
  key: optional(pathFormat, "FILE", "Secret key of this slave, from piw keygen"),
  "slave-queue": optional(queueFormat, "ADDR", "The master's slave queue", {
    defaultText: "tcp://HOST:5555",
  }),
  "file-queue": optional(queueFormat, "ADDR", "The master's file queue", {
    defaultText: "tcp://HOST:5556",
  }),
  timeout: optional(durationFormat, "DURATION", "Stop a build that takes longer", {
    short: "t",
    defaultText: "3h; 1h in dev mode",
  }),
  dir: option(
    pathFormat,
    "DIR",
    join("~", ".cache", "piwheels", "slave"),
    "Builds, and results that are not yet delivered, lie under this folder",
    { short: "d" },
  ),
  label: optional(textFormat, "STR", "What the master calls this slave", {
    short: "L",
    defaultText: "the host's name",
  }),
  python: list("PATH", "Build with this interpreter instead of python3. Repeatable"),
  jobs: option(countFormat, "N", "1", "Build so many packages at the same time", { short: "j" }),
  "poll-time": optional(
    durationFormat,
    "DURATION",
    "How often an idle slave asks for work; it is also told when work comes",
    { defaultText: "60s; 3s in dev mode" },
  ),
  check: flag("Say what this machine can build and cannot enforce, and exit", { stored: false }),
};

export const slaveProgram = {
  name: "piw-slave",
  section: "slave",
  summary: "Builds wheels for a master: connects, builds, sends the files, reconnects for ever.",
  options: slaveOptions,
} satisfies Program;

export function slaveSettings(values: Values<typeof slaveOptions>): SlaveSettings {
  const devMode = values["dev-mode"];
  const times = slaveTimes(devMode);
  const bare = values.master.replace(/^\[(.*)\]$/, "$1");
  const host = bare.includes(":") ? `[${bare}]` : bare;
  return {
    version: productVersion,
    slaveQueue: values["slave-queue"] ?? `tcp://${host}:5555`,
    fileQueue: values["file-queue"] ?? `tcp://${host}:5556`,
    masterKey: values["master-key"],
    keyFile: values.key,
    dir: values.dir,
    label: (values.label ?? hostname()).slice(0, 100),
    debug: values.debug,
    pythons: values.python.length > 0 ? values.python : ["python3"],
    jobs: values.jobs,
    timeoutMs: values.timeout ?? times.buildTimeoutMs,
    pollMs: values["poll-time"],
    devMode,
    times,
  };
}
