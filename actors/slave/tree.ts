/**
 * The slave's tree, and all that has to be true before it can stand: the folder is ours alone, the
 * interpreters answer, what an earlier slave left is taken over or cleared away. Called by bin.
 *
 *     slave (one_for_one)
 *     |- job-1 (rest_for_one)
 *     |  |- builder        runs the build in hand
 *     |  |- link-session   slave link; restarted with the builder, so that HELLO tells of a lost build
 *     |  `- file-sender    file link
 *     `- job-2 …
 *
 * Each job is a slave of its own to the master, by its slot; jobs share folder, outbox, keys, interpreters, and the
 * connection of each link.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { SlaveSettings } from "../../config/settings.ts";
import { hostFacts } from "../../protocol/host/host-reader.ts";
import type { Token } from "../../protocol/model/build.ts";
import { type ClientKeys, readClientKeys } from "../../protocol/transport/index.ts";
import {
  type ChildSpec,
  child,
  type Logger,
  type System,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { BuildLogs, keepLostLog } from "./build-logs.ts";
import { endBuildProcesses } from "./build-processes.ts";
import { builder } from "./builder.ts";
import { type CheckRow, checkMachine } from "./check.ts";
import { checkIndexes } from "./check-indexes.ts";
import { checkMaster } from "./check-master.ts";
import { type Connection, lineTo, type MasterAddress } from "./connection.ts";
import { fileSender } from "./file-sender.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { folderIdentity } from "./identity.ts";
import { type Interpreter, probeInterpreter } from "./interpreter.ts";
import { linkSession, type Refusal } from "./link-session.ts";
import { Outbox } from "./outbox.ts";
import { removeTree } from "./remove-tree.ts";
import { checkSandbox } from "./sandbox/check-sandbox.ts";
import { Sandbox, type SandboxSettings } from "./sandbox/sandbox.ts";
import { ToldToEndError } from "./told-to-end.ts";
import type { BuildSite } from "./workshop.ts";

/**
 * Starts a slave. The system ends by `stop`, or by itself with an error when the master refuses the slave
 * for good: coming back would be of no use before a person has mended the cause.
 *
 * @throws with one line that says what to do: the folder is in use (FolderInUseError), an interpreter
 * cannot be used (InterpreterError), addresses or keys cannot work (EndpointConfigError)
 */
export async function startSlave(
  settings: SlaveSettings,
  logger: Logger,
  signal?: AbortSignal,
): Promise<System> {
  await mkdir(settings.dir, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(settings.dir);
  try {
    const system = await startLocked(settings, logger, signal);
    releaseAfter(system, lock, logger);
    return system;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * What this machine can do as a slave, and whether its master would take it: lines for people, and whether it could
 * join at all.
 */
export async function checkSlave(
  settings: SlaveSettings,
): Promise<{ ok: boolean; lines: string[] }> {
  const [machine, sandbox, master] = await Promise.all([
    checkMachine(settings),
    checkSandbox(sandboxSettings(settings), settings.pythons),
    checkJoining(settings),
  ]);
  const rows = [...machine, ...sandbox, ...master];
  const lines = rows.map(({ state, text }) => `${state.padEnd(6)} ${text}`);
  return { ok: rows.every(({ state }) => state !== "fails"), lines };
}

async function checkJoining(settings: SlaveSettings): Promise<CheckRow[]> {
  let keys: ClientKeys | undefined;
  try {
    keys = readClientKeys(settings.keyFile, settings.masterKey);
  } catch (error) {
    return [{ state: "fails", text: error instanceof Error ? error.message : String(error) }];
  }
  const { slaveQueue, fileQueue, version } = settings;
  const { rows, indexes } = await checkMaster({ slaveQueue, fileQueue, version, keys });
  return [...rows, ...(await checkIndexes(indexes))];
}

async function startLocked(
  settings: SlaveSettings,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<System> {
  const interpreters = await probeAll(settings.pythons, logger, signal);
  const { outbox, logs } = await takeOver(settings.dir, logger);
  const master = await masterOf(settings);
  const lines = {
    slave: lineTo({ ...master, address: settings.slaveQueue }, logger),
    files: lineTo({ ...master, address: settings.fileQueue }, logger),
  };
  const sandbox = await Sandbox.open(sandboxSettings(settings), interpreters);
  if (sandbox.lacks.length > 0) logger.warn({ lacks: sandbox.lacks }, warningOf(sandbox));
  logger.info(`builds run with ${sandbox.description}`);
  const host = await hostFacts();
  // More where a slave of more jobs has left what only their sessions may deliver.
  const left = outbox.finished().map(({ job }) => job);
  const numbers = range(Math.max(settings.jobs, ...left)).filter(
    (job) => job <= settings.jobs || left.includes(job),
  );
  let system: System | undefined;
  let refusal: Error | undefined;
  const staying = new Set(numbers);
  const end = () => {
    if (refusal !== undefined) system?.crash("/", refusal);
  };
  const refused = (job: number, reason: string, { now, isTold }: Refusal): void => {
    refusal ??= isTold
      ? new ToldToEndError(`the master ended this slave: ${reason}`)
      : new Error(`the master refuses this slave: ${reason}`);
    staying.delete(job);
    // Of the others some may finish a build first.
    if (now) staying.clear();
    if (staying.size === 0) end();
  };
  const jobOf = (job: number): ChildSpec => {
    const path = `/${jobName(job)}`;
    const slot = slotOf(master.slot, job);
    const site: BuildSite = {
      outbox,
      sandbox,
      logs,
      workFolder: join(settings.dir, "work"),
      runners: { list: settings.runners, fallback: settings.defaultRunner },
      job,
      jobs: settings.jobs,
      timeoutMs: settings.timeoutMs,
      killGraceMs: settings.times.killGraceMs,
    };
    return supervisor(
      jobName(job),
      { strategy: "rest_for_one", intensity: { restarts: 5, withinMs: 60_000 }, revive },
      [
        child(
          "builder",
          builder,
          { site, interpreters, linkPath: `${path}/link-session` },
          { shutdownMs: settings.times.killGraceMs + STOP_BUILD_MS },
        ),
        child("link-session", linkSession, {
          connection: { line: lines.slave, slot },
          job,
          takesBuilds: job <= settings.jobs,
          builderPath: `${path}/builder`,
          filesPath: `${path}/file-sender`,
          outbox,
          logs,
          version: settings.version,
          label:
            settings.jobs === 1 && job === 1
              ? settings.label
              : `${settings.label.slice(0, 90)}#${job}`,
          host,
          targets: interpreters.map(({ target }) => target),
          timeoutMs: settings.timeoutMs,
          pollMs: settings.pollMs,
          folder: settings.dir,
          refused: (reason: string, how: Refusal) => refused(job, reason, how),
          delivered: () => {
            staying.delete(job);
            if (staying.size === 0) end();
          },
        }),
        child("file-sender", fileSender, {
          connection: { line: lines.files, slot },
          outbox,
          job,
          linkPath: `${path}/link-session`,
        }),
      ],
    );
  };
  system = await startSystem({
    name: "slave",
    logger,
    debug: settings.debug,
    stopDeadlineMs: settings.times.shutdownMs,
    ...(signal === undefined ? {} : { signal }),
    root: supervisor("slave", {}, numbers.map(jobOf)),
  });
  if (staying.size === 0) end();
  return system;
}

/** They may hold a password of another program's. */
const configurationFiles = ["/etc/piwheels.conf", "/usr/local/etc/piwheels.conf"];

const sandboxSettings = (settings: SlaveSettings): SandboxSettings => ({
  sandbox: settings.sandbox,
  network: settings.network,
  allowedHosts: settings.allowedHosts,
  limits: settings.limits,
  jobs: settings.jobs,
  secret: [settings.dir, ...configurationFiles, ...(settings.keyFile ? [settings.keyFile] : [])],
  runFolder: join(settings.dir, "work"),
});

const warningOf = ({ lacks }: Sandbox): string =>
  `this machine does not enforce all limits on builds: ${lacks.join("; ")}`;

/** A job that gives up is revived by and by: it does not end the builds of the others. */
const revive = { minMs: 5_000, maxMs: 300_000 };

const jobName = (job: number) => `job-${job}`;

/** The first has the slot that a slave with one job has, so that it finds its builds when there are more. */
const slotOf = (folder: string, job: number) => (job === 1 ? folder : `${folder}#${job}`);

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

/** After a build was killed: its processes are looked for once more and its folder is removed. */
const STOP_BUILD_MS = 15_000;

/** One interpreter for each target; a second one of the same target would never be used. */
async function probeAll(
  pythons: readonly string[],
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<Interpreter[]> {
  const byTarget = new Map<string, Interpreter>();
  for (const python of pythons) {
    const found = await probeInterpreter(python, signal === undefined ? {} : { signal });
    const first = byTarget.get(found.target.name);
    if (first !== undefined) {
      logger.warn(
        { target: found.target.name },
        `${python} is for the same target as ${first.command} and is not used`,
      );
      continue;
    }
    byTarget.set(found.target.name, found);
    logger.info(
      { target: found.target.name, python: found.executable, pip: found.pipVersion },
      `builds for ${found.target.name}`,
    );
  }
  return [...byTarget.values()];
}

/** Finished builds are kept; of a build that was cut off only its log is: no other file, no process. */
async function takeOver(
  dir: string,
  logger: Logger,
): Promise<{ readonly outbox: Outbox; readonly logs: BuildLogs }> {
  const lostLogs = join(dir, "lost-logs");
  const keepLog = async (token: Token, path: string) => {
    try {
      return await keepLostLog(lostLogs, token, path);
    } catch (error) {
      logger.warn({ err: error, build: token }, "the log of a build could not be kept");
      return undefined;
    }
  };
  const { outbox, cutOff } = await Outbox.open(join(dir, "outbox"), keepLog);
  for (const { folder, buildId, log } of cutOff) {
    logger.warn(
      { folder, ...(log && { log: log.path, lastLine: log.lastLine }) },
      log === undefined
        ? "an earlier slave ended in the middle of this build; it is cleared away"
        : "an earlier slave ended in the middle of this build; it is cleared away but for its log",
    );
    if (buildId !== undefined) await endBuildProcesses(buildId);
  }
  await removeTree(join(dir, "work"));
  await mkdir(join(dir, "work"), { mode: 0o700 });
  const finished = outbox.finished().map(({ token }) => token);
  if (finished.length > 0) logger.info({ finished }, "finished builds are waiting to be delivered");
  return { outbox, logs: new BuildLogs(outbox, lostLogs) };
}

async function masterOf(
  settings: SlaveSettings,
): Promise<Omit<MasterAddress, "address"> & Pick<Connection, "slot">> {
  const identity = await folderIdentity(settings.dir);
  return {
    keys: readClientKeys(settings.keyFile, settings.masterKey),
    identity: `local:${identity}`,
    slot: identity,
    heartbeatMs: settings.times.heartbeatMs,
    retryMs: { min: settings.times.reconnectMinMs, max: settings.times.reconnectMaxMs },
  };
}

/** The folder is free again when the system has ended, however it did. */
function releaseAfter(system: System, lock: FolderLock, logger: Logger): void {
  system.terminated
    .then(() => lock.release())
    .catch((error: unknown) => {
      logger.warn({ err: error }, "the lock of the slave's folder could not be removed");
    });
}
