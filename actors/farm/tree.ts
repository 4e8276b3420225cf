/**
 * The farm's tree: everything on this machine, started in order and stopped in reverse. Called by
 * `piw farm` with plain settings; what it needs of other rooms comes as `parts`.
 *
 *     farm (one_for_one)
 *     |- database      PostgreSQL
 *     |- upstream      the sample packages, when nothing else was named
 *     |- master        piw-master
 *     |- watcher       shows how the builds get on
 *     `- slave-1 …     piw-slave
 *
 * One for one, since each of them rides out the others' absence: to restart the slaves with a killed
 * master would throw their builds away.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FarmSettings, UpstreamUrls } from "../../config/settings.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import {
  type ChildSpec,
  child,
  type Logger,
  type System,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import {
  type FarmFolder,
  type FarmKeys,
  makeFarmFolder,
  makeKeys,
  makeSigningKey,
} from "./farm-folder.ts";
import { endLeftover } from "./leftover-process.ts";
import { waitForReport } from "./master-links.ts";
import { isAllBuilt } from "./outcome.ts";
import type { FarmParts } from "./parts.ts";
import { checkMachine, findFreeAddress } from "./preflight.ts";
import { program } from "./program.ts";
import { openProgress, type Progress } from "./progress.ts";
import { database, sampleUpstream } from "./services.ts";
import { watcher } from "./watcher.ts";

export interface Farm {
  readonly system: System;
  /** How `--once` ended: whether all was built; undefined before that, and for a farm that was stopped. */
  outcome(): { readonly isAllBuilt: boolean } | undefined;
}

/** Recovery of a database and the first start on a slow board. */
const START_MS = 180_000;
/** Beyond the program's own deadline: it ends itself at that. */
const EXTRA_PATIENCE_MS = 5_000;
/** A slave looks at its interpreters before it says HELLO. */
const SLAVE_START_MS = 15_000;
const LOOK_EVERY_MS = 1_000;
/** `--once` is waited for, so it asks more often. */
const LOOK_ONCE_EVERY_MS = 250;

/**
 * Starts the farm. `print` is given what a person should read.
 * @throws Error with one line that says what to do; whatever had been started is stopped then.
 */
export async function startFarm(
  settings: FarmSettings,
  parts: FarmParts,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Farm> {
  const progress = openProgress(parts.output);
  const warnings = await checkMachine(parts, settings.pythons);
  signal?.throwIfAborted();
  // Nothing is made where nothing was and the address is taken; where a farm was, it may be its own
  // killed master that still has the address.
  if (!existsSync(settings.dataDir)) await findFreeAddress(settings.http);
  const folder = makeFarmFolder(settings.dataDir, settings.upstream?.simpleUrl);
  const unlock = parts.lockFolder(
    join(folder.home, "farm.lock"),
    `the farm's folder ${folder.home}`,
  );
  try {
    for (const name of programNames(settings))
      await endLeftover(pidFile(folder, name), patienceOf(settings), progress.note);
    const site = await findFreeAddress(settings.http);
    for (const warning of warnings) progress.note(`warning: ${warning}`);
    const keys = makeKeys(folder, settings.slaves);
    await makeSigningKey(keys, parts);
    const farm = await startTree({ settings, parts, folder, keys, site, progress }, logger, signal);
    void farm.system.terminated.then(unlock);
    return farm;
  } catch (error) {
    unlock();
    throw error;
  }
}

interface Plan {
  readonly settings: FarmSettings;
  readonly parts: FarmParts;
  readonly folder: FarmFolder;
  readonly keys: FarmKeys;
  readonly site: { readonly host: string; readonly port: number };
  readonly progress: Progress;
}

async function startTree(
  plan: Plan,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<Farm> {
  const { settings, parts, progress } = plan;
  progress.note(`Starting the farm in ${plan.folder.home}`);
  let system: System | undefined;
  let outcome: { isAllBuilt: boolean } | undefined;
  const onSettled = (report: FarmReport) => {
    outcome = { isAllBuilt: isAllBuilt(report) };
    progress.end();
    for (const line of parts.reportLines(report)) progress.note(line);
    void system?.stop();
  };
  system = await startSystem({
    name: "farm",
    logger,
    debug: settings.debug,
    stopDeadlineMs: 3 * patienceOf(settings),
    ...(signal === undefined ? {} : { signal }),
    root: supervisor(
      "farm",
      {
        intensity: { restarts: 10, withinMs: 120_000 },
        backoff: { minMs: 200, maxMs: 10_000, resetAfterMs: 60_000 },
      },
      children(plan, settings.once ? onSettled : undefined),
    ),
  });
  return { system, outcome: () => outcome };
}

function children(plan: Plan, onSettled: ((report: FarmReport) => void) | undefined): ChildSpec[] {
  const { settings, parts, folder, progress } = plan;
  const options = {
    startMs: START_MS,
    shutdownMs: patienceOf(settings) + EXTRA_PATIENCE_MS + 5_000,
  };
  const queues = queueAddresses(folder);
  // Known once their actors have started, and the same after each restart.
  let dsn = "";
  let upstream: UpstreamUrls | undefined = settings.upstream;
  const specs: ChildSpec[] = [
    child(
      "database",
      database,
      {
        start: parts.startDatabase,
        folder: folder.database,
        show: progress.note,
        onDsn: (given) => {
          dsn = given;
        },
      },
      options,
    ),
  ];
  if (settings.upstream === undefined)
    specs.push(
      child("upstream", sampleUpstream, {
        start: parts.startUpstream,
        findPort: () => findPort(folder),
        portFile: portFile(folder),
        onStarted: (started) => {
          upstream = started;
          writeFileSync(portFile(folder), new URL(started.url).port);
        },
      }),
    );
  const shared = { cwd: folder.home, show: progress.note, patienceMs: patienceOf(settings) };
  const siteUrl = urlOf(plan.site);
  specs.push(
    child(
      "master",
      program,
      {
        ...shared,
        name: "piw-master",
        command: parts.masterCommand,
        args: () => masterArguments(plan, queues, siteUrl, upstream),
        env: () => ({ PIW_DSN: dsn }),
        logFile: join(folder.logs, "master.log"),
        pidFile: pidFile(folder, "master"),
        ready: async (signal) => {
          await waitForReport(queues.control, () => true, signal, silentLog);
          await waitForSite(siteUrl, signal);
        },
      },
      options,
    ),
    child("watcher", watcher, {
      addresses: queues,
      requirements: settings.requirements,
      progress,
      lookEveryMs: settings.once ? LOOK_ONCE_EVERY_MS : LOOK_EVERY_MS,
      onServing: once(() => {
        for (const line of servingLines(plan, siteUrl)) progress.note(line);
      }),
      onSettled,
    }),
  );
  for (let number = 1; number <= settings.slaves; number += 1) {
    const name = `slave-${number}`;
    let isFirstStart = true;
    specs.push(
      child(
        name,
        program,
        {
          ...shared,
          name: `piw-${name}`,
          command: parts.slaveCommand,
          args: () => slaveArguments(plan, queues, number),
          env: () => ({}),
          logFile: join(folder.logs, `${name}.log`),
          pidFile: pidFile(folder, name),
          // Waited for only so that a slave that cannot start fails the farm's start, and not for long:
          // a master that is killed meanwhile is started again when the farm's start is over.
          ready: async (signal) => {
            if (!isFirstStart) return;
            isFirstStart = false;
            // Not AbortSignal.any: on Node 20 its timeout may be collected before it comes.
            const patience = new AbortController();
            const giveUp = () => patience.abort();
            const timer = setTimeout(giveUp, SLAVE_START_MS);
            signal.addEventListener("abort", giveUp, { once: true });
            try {
              const isHere = ({ slaves }: FarmReport) => slaves >= number;
              await waitForReport(queues.control, isHere, patience.signal, silentLog);
            } catch (error) {
              if (signal.aborted) throw error;
            } finally {
              clearTimeout(timer);
              signal.removeEventListener("abort", giveUp);
            }
          },
        },
        options,
      ),
    );
  }
  return specs;
}

type Queues = ReturnType<typeof queueAddresses>;

const queueAddresses = ({ run }: FarmFolder) => ({
  status: `ipc://${run}/status`,
  control: `ipc://${run}/control`,
  import: `ipc://${run}/import`,
  log: `ipc://${run}/log`,
  slave: `ipc://${run}/slave`,
  file: `ipc://${run}/file`,
});

/** The command line tools' defaults and files are for other masters: everything is said here. */
function masterArguments(
  { settings, folder, keys, site }: Plan,
  queues: Queues,
  siteUrl: string,
  upstream: UpstreamUrls | undefined,
): string[] {
  return [
    ...commonArguments(settings),
    `--output-path=${folder.site}`,
    `--disk-reserve=${settings.diskReserveBytes}`,
    ...Object.entries(queues).map(([name, address]) => `--${name}-queue=${address}`),
    `--key=${keys.masterKey}`,
    `--authorized-keys=${keys.authorizedKeys}`,
    `--signing-key=${keys.signingKey}`,
    `--pypi-xmlrpc=${upstream?.xmlrpcUrl ?? "none"}`,
    `--pypi-simple=${upstream?.simpleUrl ?? ""}`,
    `--pypi-json=${upstream?.jsonUrl ?? "none"}`,
    ...(settings.upstreamContact === undefined
      ? []
      : [`--upstream-contact=${settings.upstreamContact}`]),
    `--http=${site.host.includes(":") ? `[${site.host}]` : site.host}:${site.port}`,
    `--metrics=${settings.metricsAccess}`,
    `--dashboard=${settings.dashboard}`,
    `--index-url=${siteUrl}/simple`,
    `--follow=${settings.requirements.length > 0 ? "wanted" : "all"}`,
    `--order=${settings.order}`,
    ...(settings.upstreamWheels === undefined
      ? []
      : [`--upstream-wheels=${settings.upstreamWheels}`]),
    `--oracles=${settings.oracles}`,
  ];
}

function slaveArguments(
  { settings, folder, keys }: Plan,
  queues: Queues,
  number: number,
): string[] {
  return [
    ...commonArguments(settings),
    `--master-key=${keys.masterPublicKey}`,
    `--key=${keys.slaveKey(number)}`,
    `--slave-queue=${queues.slave}`,
    `--file-queue=${queues.file}`,
    `--dir=${join(folder.home, `slave-${number}`)}`,
    `--label=slave-${number}`,
    ...settings.pythons.map((python) => `--python=${python}`),
    ...(settings.timeoutMs === undefined ? [] : [`--timeout=${settings.timeoutMs}ms`]),
  ];
}

const commonArguments = (settings: FarmSettings): string[] => [
  "--configuration=/dev/null",
  ...(settings.devMode ? ["--dev-mode"] : []),
  ...(settings.allowRoot ? ["--allow-root"] : []),
  ...settings.debug.map((task) => `--debug=${task}`),
];

/** As this machine reaches the site. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const near = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${near.includes(":") ? `[${near}]` : near}:${port}`;
}

function servingLines({ settings, folder }: Plan, siteUrl: string): string[] {
  const host = new URL(siteUrl).hostname.replace(/^\[(.*)\]$/, "$1");
  // pip takes plain HTTP from this machine only.
  const isNear = host === "localhost" || host === "::1" || host.startsWith("127.");
  return [
    "The farm is running.",
    `  site     ${siteUrl}/`,
    ...(settings.dashboard === "none" ? [] : [`  watch    ${siteUrl}/farm/`]),
    `  install  pip install --index-url ${siteUrl}/simple/ ${isNear ? "" : `--trusted-host ${host} `}NAME`,
    `  data     ${folder.home}`,
    `  logs     ${folder.logs}`,
    settings.once ? "It ends when nothing is left to build." : "Ctrl-C stops it.",
  ];
}

async function waitForSite(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/simple/`, { signal, redirect: "manual" }).catch(
      () => undefined,
    );
    signal.throwIfAborted();
    await response?.body?.cancel();
    if (response !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const programNames = ({ slaves }: FarmSettings) => [
  "master",
  ...Array.from({ length: slaves }, (_, index) => `slave-${index + 1}`),
];
const pidFile = ({ run }: FarmFolder, name: string) => join(run, `${name}.pid`);
const portFile = ({ home }: FarmFolder) => join(home, "sample-upstream.port");

/** 0, any free one, at the first start. */
function findPort(folder: FarmFolder): number {
  const file = portFile(folder);
  const port = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0;
}

const patienceOf = ({ times }: FarmSettings) =>
  times.drainMs + times.shutdownMs + EXTRA_PATIENCE_MS;

/** That the master is not there yet is what waiting for it is about. */
const silentLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
