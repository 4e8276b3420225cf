/** piw-slave: its options, and the settings that its tree takes. */
import { hostname, totalmem } from "node:os";
import { join } from "node:path";
import { commonOptions, daemonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { flag, list, option, optional, type Program, type Values } from "./option.ts";
import { chooseDefaultRunner, type RunnerSettings } from "./runners.ts";
import type { SlaveSettings } from "./settings.ts";
import { slaveTimes } from "./times.ts";
import {
  choiceFormat,
  countFormat,
  durationFormat,
  numberLimitFormat,
  pathFormat,
  queueFormat,
  sizeLimitFormat,
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
  runner: option(
    textFormat,
    "NAME",
    "pip",
    "What builds the packages that no [runner:NAME] section matches: pip, or the name of such a section",
  ),
  jobs: option(countFormat, "N", "1", "Build so many packages at the same time", { short: "j" }),
  "poll-time": optional(
    durationFormat,
    "DURATION",
    "How often an idle slave asks for work; it is also told when work comes",
    { defaultText: "60s; 3s in dev mode" },
  ),
  sandbox: option(
    choiceFormat("auto", "bubblewrap", "none"),
    "HOW",
    "auto",
    "What builds run in; auto: bubblewrap where it works, else nothing, with a warning",
  ),
  network: optional(
    choiceFormat("index", "full", "none"),
    "WHAT",
    "What builds reach; index: the followed index, the farm's own, and where the sdist is",
    { defaultText: "index; full without a sandbox" },
  ),
  "allow-host": list("HOST[:PORT]", "With --network index let builds reach this too. Repeatable"),
  "max-memory": optional(sizeLimitFormat, "SIZE", "End a build that takes more, or none", {
    defaultText: "three quarters of the machine's, shared by the jobs",
  }),
  "max-processes": option(
    numberLimitFormat,
    "N",
    "2000",
    "End a build that runs more processes and threads, or none",
  ),
  "max-files": option(
    numberLimitFormat,
    "N",
    "4096",
    "Let a process of a build open no more files, or none",
  ),
  "max-disk": option(sizeLimitFormat, "SIZE", "20G", "End a build whose folder is larger, or none"),
  "max-log": option(
    sizeLimitFormat,
    "SIZE",
    "1G",
    "End a build that writes more output, or none; the log keeps its first and its last lines",
  ),
  check: flag(
    "Say what this machine can build and cannot enforce, and whether the master and its indexes let it in, and exit",
    { stored: false },
  ),
};

export const slaveProgram = {
  name: "piw-slave",
  section: "slave",
  summary: "Builds wheels for a master: connects, builds, sends the files, reconnects for ever.",
  options: slaveOptions,
} satisfies Program;

export function slaveSettings(
  values: Values<typeof slaveOptions>,
  runners: readonly RunnerSettings[] = [],
): SlaveSettings {
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
    runners,
    defaultRunner: chooseDefaultRunner(runners, values.runner),
    pollMs: values["poll-time"],
    sandbox: values.sandbox,
    network: values.network,
    allowedHosts: values["allow-host"].map(hostAndPort),
    limits: {
      memoryBytes: limit(values["max-memory"] ?? Math.floor((totalmem() * 0.75) / values.jobs)),
      processes: limit(values["max-processes"]),
      files: limit(values["max-files"]),
      diskBytes: limit(values["max-disk"]),
      logBytes: limit(values["max-log"]),
    },
    devMode,
    times,
  };
}

const limit = (value: number | "none"): number | undefined =>
  value === "none" ? undefined : value;

function hostAndPort(text: string): string {
  const match = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null || Number(match[1] ?? 1) > 65_535 || match[1] === "0") {
    throw new ConfigurationError(
      `allow-host: "${text}" is no host such as files.example.org or 192.0.2.1:8080`,
    );
  }
  return text;
}
