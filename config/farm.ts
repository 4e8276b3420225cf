/** piw farm: everything on this machine. Its options, and the settings that its tree takes. */
import { commonOptions, daemonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import {
  dashboardOption,
  diskReserveOption,
  metricsOption,
  orderOption,
  upstreamContactOption,
  upstreamOptions,
  upstreamWheelsOption,
} from "./master.ts";
import { flag, list, option, optional, type Program, type Values } from "./option.ts";
import type { FarmSettings, UpstreamUrls } from "./settings.ts";
import { masterTimes } from "./times.ts";
import {
  countFormat,
  durationFormat,
  listenAddress,
  listenFormat,
  pathFormat,
  urlFormat,
  urlOrNone,
  urlOrNoneFormat,
} from "./value-format.ts";
import { productVersion } from "./version.ts";

/** Repeatable; `piw-add` has it too. */
export const requirementOption = list(
  "FILE",
  "Take the requirements of this file too, as pip writes them. Repeatable",
  { short: "r", stored: false },
);

const beside = { defaultText: "/pypi beside --pypi-simple" };

const farmOptions = {
  ...commonOptions,
  ...daemonOptions,
  pypi: flag("Build from PyPI instead of the sample packages that ship with the farm", {
    stored: false,
  }),
  requirement: requirementOption,
  once: flag("End when nothing is left to build; exit code 0 only if all was built", {
    stored: false,
  }),
  "data-dir": option(
    pathFormat,
    "DIR",
    "farm-data",
    "Database, site, keys and logs lie under this folder, and are kept",
  ),
  http: option(listenFormat, "ADDR", "127.0.0.1:8080", "Serve the site at this HOST:PORT"),
  "disk-reserve": diskReserveOption,
  dashboard: { ...dashboardOption, default: "local" },
  metrics: { ...metricsOption, default: "local" },
  "pypi-simple": optional(
    urlFormat,
    "URL",
    "Build from the index with this Simple API instead of the sample packages",
  ),
  "pypi-xmlrpc": optional(
    urlOrNoneFormat,
    "URL",
    "XML-RPC service of that index; none: follow its pages instead",
    beside,
  ),
  "pypi-json": optional(urlOrNoneFormat, "URL", "JSON API of that index, or none", beside),
  slaves: option(countFormat, "N", "1", "Number of slaves"),
  python: list("PATH", "Build with this interpreter instead of python3. Repeatable"),
  "upstream-contact": upstreamContactOption,
  timeout: optional(durationFormat, "DURATION", "Stop a build that takes longer", {
    short: "t",
    defaultText: "3h; 1h in dev mode",
  }),
  order: orderOption,
  "upstream-wheels": upstreamWheelsOption,
  oracles: option(countFormat, "N", "3", "Number of Oracles, each with a database connection"),
};

export const farmProgram = {
  name: "piw farm",
  section: "farm",
  summary:
    "Runs a whole build farm on this machine: an embedded PostgreSQL, the master, a slave and an HTTP server. Without arguments it builds a few sample packages and needs no network.",
  operand: {
    name: "NAME",
    doc: "What to build: a project's name or a requirement such as 'numpy>=2'",
    variadic: true,
    required: false,
  },
  options: farmOptions,
} satisfies Program;

/**
 * @param requirements those of the command line and of the `-r` files, read by the caller
 * @throws ConfigurationError where options contradict each other
 */
export function farmSettings(
  values: Values<typeof farmOptions>,
  requirements: readonly string[],
  runsAsRoot: boolean,
): FarmSettings {
  const devMode = values["dev-mode"];
  const simpleUrl = values["pypi-simple"];
  if (values.pypi && requirements.length === 0) {
    throw new ConfigurationError(
      "--pypi needs to know what to build: give names or -r FILE (all of PyPI is no farm for one machine)",
    );
  }
  if (simpleUrl === undefined && !values.pypi && (values["pypi-xmlrpc"] ?? values["pypi-json"])) {
    throw new ConfigurationError("--pypi-xmlrpc and --pypi-json need --pypi or --pypi-simple");
  }
  return {
    version: productVersion,
    requirements,
    upstream: values.pypi || simpleUrl !== undefined ? upstreamUrls(values) : undefined,
    upstreamContact: values["upstream-contact"],
    once: values.once,
    dataDir: values["data-dir"],
    http: listenAddress(values.http),
    diskReserveBytes: values["disk-reserve"],
    dashboard: values.dashboard,
    metricsAccess: values.metrics,
    slaves: values.slaves,
    pythons: values.python,
    timeoutMs: values.timeout,
    order: values.order,
    upstreamWheels: values["upstream-wheels"],
    oracles: values.oracles,
    devMode,
    times: masterTimes(devMode),
    debug: values.debug,
    allowRoot: values["allow-root"] || runsAsRoot,
  };
}

/** An index other than PyPI has its other two services where PyPI has them: at `/pypi` beside `/simple`. */
function upstreamUrls(values: Values<typeof farmOptions>): UpstreamUrls {
  const simpleUrl = values["pypi-simple"] ?? upstreamOptions["pypi-simple"].default;
  const servicesUrl = `${simpleUrl.replace(/\/[^/]*$/, "")}/pypi`;
  return {
    simpleUrl,
    xmlrpcUrl: urlOrNone(values["pypi-xmlrpc"] ?? servicesUrl),
    jsonUrl: urlOrNone(values["pypi-json"] ?? servicesUrl),
  };
}
