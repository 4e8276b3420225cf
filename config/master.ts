/** piw-master: its options, and the settings that its tree takes. */
import { hostname } from "node:os";
import { commonOptions, daemonOptions } from "./common-options.ts";
import { ConfigurationError } from "./configuration-error.ts";
import type { HookSettings } from "./hooks.ts";
import { flag, option, optional, type Program, type Values } from "./option.ts";
import {
  needsOf,
  type PartName,
  partNames,
  partQueue,
  partsOf,
  splitTasks,
  tasksOf,
} from "./parts.ts";
import type { ListenAddress, MasterSettings } from "./settings.ts";
import { masterTimes } from "./times.ts";
import {
  choiceFormat,
  contactFormat,
  countFormat,
  dsnFormat,
  isRemote,
  listenAddress,
  listenFormat,
  listFormat,
  partQueueFormat,
  pathFormat,
  queueFormat,
  sizeFormat,
  urlFormat,
  urlOrNone,
  urlOrNoneFormat,
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
export const outputPathOption = option(
  pathFormat,
  "PATH",
  "/var/www",
  "Write the web site under this folder",
  { short: "o", section: "master" },
);
export const importQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-import",
  "Where the master takes requests of the command line tools such as piw-add",
  { section: "master" },
);
export const logQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-logger",
  "Where the master takes the access-log records of piw-logger",
  { section: "master" },
);
export const controlQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-control",
  "Where the master takes orders such as piw pause; beyond this machine it needs --monitor-keys",
  { section: "master" },
);
export const statusQueueOption = option(
  queueFormat,
  "ADDR",
  "ipc:///tmp/piw-status",
  "Where events are published to those who watch; beyond this machine it needs --monitor-keys",
  { section: "master" },
);
export const monitorKeysOption = optional(
  pathFormat,
  "DIR",
  "Folder of the public keys of those who may watch and control over tcp, see piw monitor-key",
  { section: "master" },
);
export const authorizedKeysOption = optional(
  pathFormat,
  "DIR",
  "Folder of the public keys of the slaves, see piw slave-key",
  { section: "master" },
);
/** Which build comes first. */
export const orderOption = option(
  choiceFormat("newest", "oldest", "popular"),
  "RULE",
  "newest",
  "Which builds come first, of those with the same priority: newest, oldest or popular (most downloaded)",
);
/** Whether what upstream has built needs to be built again. */
export const upstreamWheelsOption = optional(
  choiceFormat("count", "ignore"),
  "WHAT",
  "Whether a wheel of the followed index counts (nothing is built for a target that it fits) or is ignored (all is built here)",
  { defaultText: "count with --follow all, ignore with wanted" },
);
const mergeUpstreamOption = flag(
  "List the followed index's own files beside the farm's, so that clients need this index alone",
);

const whoFormats = ["everyone", "local", "token", "none"] as const;

/** `piw farm` has it too. */
export const metricsOption = option(
  choiceFormat(...whoFormats),
  "WHO",
  "token",
  "Who may see /metrics of --http: everyone, whoever has a token (piw token), local (also who asks at this machine, not through another web server), or none",
);

/** `piw farm` has it too. */
export const dashboardOption = option(
  choiceFormat(...whoFormats),
  "WHO",
  "token",
  "Who may look at the dashboard, below /farm/ of --http: as --metrics; orders always need a token of right control",
);

/** `piw farm` has it too. */
export const diskReserveOption = option(
  sizeFormat,
  "SIZE",
  "1GB",
  "Give out no builds while the disk of the site has less room than this; 0: never mind",
);

export const upstreamOptions = {
  "pypi-xmlrpc": option(
    urlOrNoneFormat,
    "URL",
    "https://pypi.org/pypi",
    "XML-RPC service of the followed index, for its changelog; none: follow its pages instead",
  ),
  "pypi-simple": option(
    urlFormat,
    "URL",
    "https://pypi.org/simple",
    "Simple API of the followed index",
  ),
  "pypi-json": option(
    urlOrNoneFormat,
    "URL",
    "https://pypi.org/pypi",
    "JSON API of the followed index, for descriptions; none: do without",
  ),
};

export const upstreamContactOption = optional(
  contactFormat,
  "CONTACT",
  "An address or page where the followed index can reach you; said to it in each request (User-Agent)",
);

/** Where one part of the master is spoken to by the others. */
function partQueueOption(name: string, whose: string) {
  return option(
    partQueueFormat,
    "ADDR",
    `inproc://${name}`,
    `Address of ${whose} for the other processes of a split master (see --tasks); tcp:// needs --key`,
  );
}

const masterOptions = {
  ...commonOptions,
  dsn: dsnOption,
  "take-over": flag(
    "Take the database from a master that is gone, without waiting until that is sure; one that still lives stops",
    { stored: false },
  ),
  "output-path": outputPathOption,
  "disk-reserve": diskReserveOption,
  ...daemonOptions,
  ...upstreamOptions,
  "upstream-contact": upstreamContactOption,
  "status-queue": statusQueueOption,
  "control-queue": controlQueueOption,
  "import-queue": importQueueOption,
  "log-queue": logQueueOption,
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
  "db-queue": partQueueOption("db", "the database's tasks"),
  "builds-queue": partQueueOption("builds", "the Architect"),
  "driver-queue": partQueueOption("driver", "the Slave Driver"),
  "fs-queue": partQueueOption("fs", "the File Juggler"),
  "web-queue": partQueueOption("web", "Secretary, Scribe and HTTP server"),
  "front-queue": partQueueOption("front", "Cloud Gazer, Mr. Chase and Lumberjack"),
  "stats-queue": partQueueOption("stats", "the main, control and status tasks and Big Brother"),
  tasks: option(
    listFormat,
    "TASKS",
    "",
    `Run only the parts of the master that these tasks belong to (${splitTasks.join(", ")}); ` +
      "the others run in other processes, reached at their queues",
    { defaultText: "all" },
  ),
  "force-codec": flag(
    "Send messages between tasks through the wire's codec and checks, as if each ran elsewhere; for tests",
  ),
  key: optional(pathFormat, "FILE", "Secret key of this master, from piw keygen"),
  "authorized-keys": authorizedKeysOption,
  "monitor-keys": monitorKeysOption,
  "signing-key": optional(
    pathFormat,
    "FILE",
    "Sign the provenance of wheels with this key, from piw keygen --signing",
  ),
  http: optional(listenFormat, "ADDR", "Serve the site over HTTP at this HOST:PORT"),
  "http-cert": optional(
    pathFormat,
    "FILE",
    "Serve the site over HTTPS with this certificate (PEM, with its intermediate ones)",
  ),
  "http-key": optional(pathFormat, "FILE", "The key of --http-cert (PEM, without a passphrase)"),
  "access-log": optional(
    pathFormat,
    "FILE",
    "Write what is asked of --http to this file, in the format combined, for piw-logger",
  ),
  metrics: metricsOption,
  dashboard: dashboardOption,
  "public-url": optional(
    urlFormat,
    "URL",
    "Where people find the site, for links in feeds and the like",
    { defaultText: "--index-url without /simple, or the address of --http" },
  ),
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
  order: orderOption,
  "upstream-wheels": upstreamWheelsOption,
  "merge-upstream": mergeUpstreamOption,
  oracles: option(countFormat, "N", "3", "Number of Oracles, each with a database connection"),
};

export const masterProgram = {
  name: "piw-master",
  section: "master",
  summary: "Runs the master of a build farm.",
  options: masterOptions,
} satisfies Program;

/** @throws ConfigurationError where options contradict each other */
export function masterSettings(
  values: Values<typeof masterOptions>,
  hooks: readonly HookSettings[] = [],
): MasterSettings {
  const devMode = values["dev-mode"];
  for (const option of ["authorized-keys", "monitor-keys"] as const) {
    if (values[option] !== undefined && values.key === undefined)
      throw new ConfigurationError(`--${option} needs --key, the master's own secret key`);
  }
  const queues = {
    status: values["status-queue"],
    control: values["control-queue"],
    import: values["import-queue"],
    log: values["log-queue"],
    slave: values["slave-queue"],
    file: values["file-queue"],
  };
  const parts = partsToRun(values.tasks);
  const partQueues = Object.fromEntries(
    partNames.map((part) => [part, values[partQueue(part)]]),
  ) as Record<PartName, string>;
  if (values["monitor-keys"] === undefined) refuseOpenMonitoring(queues);
  refuseUnreachable(parts, partQueues);
  refuseOpenParts(partQueues, values.key !== undefined);
  refuseSharedAddresses({ ...queues, ...addressesOfParts(partQueues) });
  const http = values.http === undefined ? undefined : listenAddress(values.http);
  const httpTls = tlsFiles(values["http-cert"], values["http-key"]);
  refuseWithoutServer(http, {
    "--http-cert": values["http-cert"],
    "--access-log": values["access-log"],
  });
  return {
    version: productVersion,
    dsn: values.dsn,
    takeOver: values["take-over"],
    outputPath: values["output-path"],
    diskReserveBytes: values["disk-reserve"],
    devMode,
    times: masterTimes(devMode),
    debug: values.debug,
    upstream: {
      xmlrpcUrl: urlOrNone(values["pypi-xmlrpc"]),
      simpleUrl: values["pypi-simple"],
      jsonUrl: urlOrNone(values["pypi-json"]),
    },
    upstreamContact: values["upstream-contact"],
    queues,
    parts,
    partQueues,
    forceCodec: values["force-codec"],
    keyFile: values.key,
    authorizedKeysDir: values["authorized-keys"],
    monitorKeysDir: values["monitor-keys"],
    signingKeyFile: values["signing-key"],
    hooks,
    http,
    httpTls,
    metricsAccess: values.metrics,
    accessLog: values["access-log"],
    dashboard: values.dashboard,
    publicUrl: values["public-url"],
    indexUrl:
      values["index-url"] ??
      (http === undefined
        ? undefined
        : findIndexUrl(http, httpTls === undefined ? "http" : "https")),
    follow: values.follow,
    oracles: values.oracles,
    order: values.order,
    mergeUpstream: values["merge-upstream"],
    upstreamWheels: values["upstream-wheels"] ?? (values.follow === "all" ? "count" : "ignore"),
  };
}

function tlsFiles(
  certificate: string | undefined,
  key: string | undefined,
): MasterSettings["httpTls"] {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new ConfigurationError("--http-cert and --http-key need each other");
  }
  return { certificate, key };
}

/** What only the master's own server does is a mistake where there is none: another one serves the site. */
function refuseWithoutServer(
  http: ListenAddress | undefined,
  options: Readonly<Record<string, string | undefined>>,
): void {
  const [needing] = Object.entries(options).find(([, value]) => value !== undefined) ?? [];
  if (http === undefined && needing !== undefined) {
    throw new ConfigurationError(`${needing} needs --http, the address of the master's own server`);
  }
}

function partsToRun(tasks: readonly string[]): readonly PartName[] {
  try {
    return partsOf(tasks);
  } catch (error) {
    throw new ConfigurationError(`--tasks: ${error instanceof Error ? error.message : error}`);
  }
}

/** Every part that speaks to one in another process, here or there, must know where that is. */
function refuseUnreachable(
  parts: readonly PartName[],
  queues: Readonly<Record<PartName, string>>,
): void {
  const isHere = (part: PartName) => parts.includes(part);
  const crossed = new Set(
    partNames.flatMap((part) => needsOf(part).filter((needed) => isHere(part) !== isHere(needed))),
  );
  const missing = [...crossed].filter((part) => queues[part].startsWith("inproc:"));
  if (missing.length > 0) {
    const options = missing.map((part) => `--${partQueue(part)} (${tasksOf(part).join(", ")})`);
    throw new ConfigurationError(
      "--tasks leaves tasks to other processes: say, with the same addresses in each of them (ipc:// or " +
        `tcp://), where these are reached: ${options.join(", ")}`,
    );
  }
}

/** Whoever reaches a part may ask anything of it; and a port that nobody knows is found by nobody. */
function refuseOpenParts(queues: Readonly<Record<PartName, string>>, hasKey: boolean): void {
  for (const part of partNames) {
    const address = queues[part];
    if (!address.startsWith("tcp:")) {
      continue;
    }
    if (/:(\*|0)$/.test(address)) {
      throw new ConfigurationError(`--${partQueue(part)} ${address}: give a port`);
    }
    if (!hasKey) {
      throw new ConfigurationError(
        `--${partQueue(part)} ${address} needs --key, also on this machine: every user can reach it (ipc:// needs none)`,
      );
    }
  }
}

/** Whoever reaches these may watch the farm, and steer it. */
function refuseOpenMonitoring({ control, status }: MasterSettings["queues"]): void {
  for (const [option, address] of Object.entries({ control, status })) {
    if (!isRemote(address)) continue;
    throw new ConfigurationError(
      `--${option}-queue ${address} can be reached from other machines and needs --monitor-keys, the folder of those ` +
        "who may come in (piw monitor-key add), and --key; or use a loopback or ipc address",
    );
  }
}

/** Queues by the options that name them; those in the process share nothing. */
function addressesOfParts(queues: Readonly<Record<PartName, string>>): Record<string, string> {
  const entries = partNames
    .filter((part) => !queues[part].startsWith("inproc:"))
    .map((part) => [partQueue(part).replace(/-queue$/, ""), queues[part]]);
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The Simple API of an HTTP server; undefined while its port is not known (0). */
function findIndexUrl(http: ListenAddress, scheme: "http" | "https"): string | undefined {
  if (http.port === 0) {
    return undefined;
  }
  const everywhere = http.host === "0.0.0.0" || http.host === "::";
  const host = everywhere ? hostname() : http.host;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${http.port}/simple`;
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
