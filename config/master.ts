/** piw-master: its options, and the settings that its tree takes. */
import { hostname } from "node:os";
import { commonOptions, daemonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import { option, optional, type Program, type Values } from "./option.ts";
import type { ListenAddress, MasterSettings } from "./settings.ts";
import { masterTimes } from "./times.ts";
import {
  choiceFormat,
  countFormat,
  dsnFormat,
  listenAddress,
  listenFormat,
  pathFormat,
  queueFormat,
  urlFormat,
} from "./value-format.ts";
import { productVersion } from "./version.ts";

/** Said once for all programs that use them; they are kept in [master]. */
export const dsnOption = option(
  dsnFormat,
  "DSN",
  "postgres:///piwheels",
  "The database, as libpq understands it; its user must not be a superuser",
  { short: "d", section: "master" },
);
export const importQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-import",
  "Where the master takes requests of the command line tools such as piw-add",
  { section: "master" },
);
export const controlQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-control",
  "Where the master takes orders such as piw pause",
  { section: "master" },
);
/** Which build comes first. */
export const orderFormat = choiceFormat("newest", "oldest");

export const upstreamOptions = {
  "pypi-xmlrpc": option(
    urlFormat,
    "URL",
    "https://pypi.org/pypi",
    "XML-RPC service of the followed index",
  ),
  "pypi-simple": option(
    urlFormat,
    "URL",
    "https://pypi.org/simple",
    "Simple API of the followed index",
  ),
  "pypi-json": option(urlFormat, "URL", "https://pypi.org/pypi", "JSON API of the followed index"),
};

const masterOptions = {
  ...commonOptions,
  dsn: dsnOption,
  "output-path": option(pathFormat, "PATH", "/var/www", "Write the web site under this folder", {
    short: "o",
  }),
  ...daemonOptions,
  ...upstreamOptions,
  "status-queue": option(
    queueFormat,
    "ADDR",
    "ipc:///tmp/piw-status",
    "Where events are published to those who watch",
  ),
  "control-queue": controlQueueOption,
  "import-queue": importQueueOption,
  "slave-queue": option(
    queueFormat,
    "ADDR",
    "tcp://*:5555",
    "Where slaves are talked to; needs --key unless it is loopback or ipc",
  ),
  "file-queue": option(
    queueFormat,
    "ADDR",
    "tcp://*:5556",
    "Where slaves send files; needs --key unless it is loopback or ipc",
  ),
  key: optional(pathFormat, "FILE", "Secret key of this master, from piw keygen"),
  "authorized-keys": optional(pathFormat, "DIR", "Folder of the public keys of the slaves"),
  http: optional(listenFormat, "ADDR", "Serve the site over HTTP at this HOST:PORT"),
  "index-url": optional(
    urlFormat,
    "URL",
    "The farm's own Simple API as slaves reach it, for build dependencies",
    { defaultText: "/simple of --http" },
  ),
  follow: option(
    choiceFormat("all", "wanted"),
    "WHAT",
    "all",
    "Build all that the followed index has, or only what piw-add asked for (wanted)",
  ),
  order: option(orderFormat, "RULE", "newest", "Which builds come first: newest or oldest"),
  oracles: option(countFormat, "N", "3", "Number of Oracles, each with a database connection"),
};

export const masterProgram = {
  name: "piw-master",
  section: "master",
  summary: "Runs the master of a build farm.",
  options: masterOptions,
} satisfies Program;

/** @throws ConfigurationError where options contradict each other */
export function masterSettings(values: Values<typeof masterOptions>): MasterSettings {
  const devMode = values["dev-mode"];
  if (values["authorized-keys"] !== undefined && values.key === undefined) {
    throw new ConfigurationError("--authorized-keys needs --key, the master's own secret key");
  }
  const queues = {
    status: values["status-queue"],
    control: values["control-queue"],
    import: values["import-queue"],
    slave: values["slave-queue"],
    file: values["file-queue"],
  };
  refuseSharedAddresses(queues);
  const http = values.http === undefined ? undefined : listenAddress(values.http);
  return {
    version: productVersion,
    dsn: values.dsn,
    outputPath: values["output-path"],
    devMode,
    times: masterTimes(devMode),
    debug: values.debug,
    upstream: {
      xmlrpcUrl: values["pypi-xmlrpc"],
      simpleUrl: values["pypi-simple"],
      jsonUrl: values["pypi-json"],
    },
    queues,
    keyFile: values.key,
    authorizedKeysDir: values["authorized-keys"],
    http,
    indexUrl: values["index-url"] ?? (http === undefined ? undefined : findIndexUrl(http)),
    follow: values.follow,
    oracles: values.oracles,
    order: values.order,
  };
}

/** The Simple API of an HTTP server; undefined while its port is not known (0). */
export function findIndexUrl(http: ListenAddress): string | undefined {
  if (http.port === 0) {
    return undefined;
  }
  const everywhere = http.host === "0.0.0.0" || http.host === "::";
  const host = everywhere ? hostname() : http.host;
  return `http://${host.includes(":") ? `[${host}]` : host}:${http.port}/simple`;
}

function refuseSharedAddresses(queues: Readonly<Record<string, string>>): void {
  const owners = new Map<string, string>();
  for (const [name, address] of Object.entries(queues)) {
    const owner = owners.get(address);
    if (owner !== undefined && !/:(\*|0)$/.test(address)) {
      throw new ConfigurationError(
        `--${owner}-queue and --${name}-queue have the same address ${address}`,
      );
    }
    owners.set(address, name);
  }
}
