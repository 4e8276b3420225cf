/**
 * The steps of one build in its own folder: fetch the sdist, run the runner on it, look at what came of it.
 * Called by build.ts, which removes the folder and ends what still runs. It turns every trouble into an
 * outcome, and puts nothing in the outbox but the log.
 */
import { join } from "node:path";
import type {
  BuildEnvironment,
  BuildOrder,
  ResolvedRequirement,
} from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import type { BuildLog } from "./build-log.ts";
import type { BuildLogs } from "./build-logs.ts";
import { readBuildRequires } from "./build-requires.ts";
import { type Finding, findCause } from "./cause.ts";
import { buildEnvironment } from "./environment.ts";
import { findIndexTrouble } from "./index-answer.ts";
import type { Interpreter } from "./interpreter.ts";
import { type Exit, runCommand } from "./launch.ts";
import { NamedPipe } from "./named-pipe.ts";
import type { Outbox } from "./outbox.ts";
import { ResolvedReader } from "./resolved.ts";
import { chooseRunner, commandOf, type Runner, type RunnerOrder, type Runners } from "./runner.ts";
import { writeOrder } from "./runner-order.ts";
import { type RunnerStatus, StatusReader } from "./runner-status.ts";
import type { Cell } from "./sandbox/cell.ts";
import { causeOfLimit, type LimitHit } from "./sandbox/limits.ts";
import { findRefusal } from "./sandbox/refusal.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import { type DownloadLimits, downloadSdist, SdistError } from "./sdist-download.ts";
import { BadWheelError, collectWheels, type WheelFile } from "./wheel-files.ts";

/** What all builds of a slave share. */
export interface BuildSite {
  readonly outbox: Outbox;
  readonly sandbox: Sandbox;
  readonly logs: BuildLogs;
  /** Each build gets a folder of its own below it. */
  readonly workFolder: string;
  /** Default: pip builds everything. */
  readonly runners?: Runners;
  /** Which of the slave's jobs; default 1. */
  readonly job?: number;
  /** How many jobs share the machine's processors; default 1. */
  readonly jobs?: number;
  /** Longest time of the runner. */
  readonly timeoutMs: number;
  /** Between asking a build to end and killing it. Default 5 s. */
  readonly killGraceMs?: number;
  readonly logLimitBytes?: number;
  readonly download?: DownloadLimits;
}

export interface BuildRequest {
  readonly order: BuildOrder;
  readonly interpreter: Interpreter;
  readonly upstreamIndex: string;
  readonly farmIndex: string | null;
  /** Told what the build's runner says of it, once a second at most. */
  readonly onStatus?: (status: RunnerStatus) => void;
}

export interface Outcome extends Finding {
  readonly wheels: readonly WheelFile[];
  /** What the sdist says it needs to be built; undefined where that is not known. */
  readonly buildRequires?: readonly string[] | undefined;
  /** What was installed for it; undefined where nobody could tell. */
  readonly resolved?: readonly ResolvedRequirement[] | undefined;
  /** What it ran in; undefined where it did not come to run. */
  readonly environment?: BuildEnvironment | undefined;
}

const pipOnly: Runners = {
  list: [],
  fallback: {
    name: "pip",
    run: { kind: "pip", arguments: [] },
    match: [],
    path: [],
    settings: {},
  },
};

/** A runner says a line now and then; pip reports some dozen kilobytes for each requirement. */
const STATUS_PIPE = { bytesPerSecond: 65_536, lastBytes: 65_536 };
const REPORT_PIPE = { bytesPerSecond: 64 * 1024 ** 2, lastBytes: 1024 ** 2 };

const failed = (cause: Cause, message: string): Outcome => ({
  cause,
  message: message.slice(0, 2_000),
  missing: [],
  wheels: [],
});

/** One build's folder and the steps in it; used once. */
export class Workshop {
  readonly #request: BuildRequest;
  readonly #site: BuildSite;
  readonly #folder: string;
  readonly #buildId: string;
  readonly #log: BuildLog;
  readonly #signal: AbortSignal;
  #buildRequires: readonly string[] | undefined;
  #cell: Cell | undefined;
  /** The build's own code has run: what is odd about its folder from now on may be its doing. */
  #hasRun = false;
  readonly #resolved = new ResolvedReader();
  readonly #runner: Runner;

  constructor(
    request: BuildRequest,
    site: BuildSite,
    folder: string,
    buildId: string,
    log: BuildLog,
    signal: AbortSignal,
  ) {
    this.#request = request;
    this.#site = site;
    this.#folder = folder;
    this.#buildId = buildId;
    this.#log = log;
    this.#signal = signal;
    log.listen((text) => this.#resolved.write(text));
    this.#runner = chooseRunner(site.runners ?? pipOnly, request.order);
  }

  /** Never throws but when aborted: every trouble is an outcome. */
  async outcome(): Promise<Outcome> {
    const outcome = await this.#steps()
      .catch((error: unknown) => {
        this.#signal.throwIfAborted();
        return this.#troubleOf(error);
      })
      .finally(() => this.#closeCell());
    const resolved = this.#resolved.resolved();
    return {
      ...outcome,
      buildRequires: this.#allRequires(),
      environment:
        this.#cell === undefined
          ? undefined
          : { runner: this.#runner.name.slice(0, 200), ...this.#site.sandbox.facts },
      resolved: resolved.length === 0 ? undefined : resolved,
    };
  }

  async #steps(): Promise<Outcome> {
    const { order, interpreter } = this.#request;
    const cell = await this.#openCell();
    this.#log.note(
      `Building ${order.package} ${order.version} for ${order.target} with Python ${interpreter.target.pythonFullVersion} and pip ${interpreter.pipVersion}`,
    );
    const sdistPath = join(this.#folder, "source", order.sdist.filename);
    await downloadSdist(order.sdist, sdistPath, this.#site.download ?? {}, this.#signal);
    this.#log.note(`Fetched ${order.sdist.filename}, SHA-256 ${order.sdist.sha256}`);
    this.#buildRequires = await readBuildRequires(sdistPath, {
      interpreter,
      cell,
      cwd: join(this.#folder, "cwd"),
      env: this.#environment(),
      buildId: this.#buildId,
      signal: this.#signal,
    });
    const finding = await this.#run(sdistPath, cell);
    if (finding.cause !== "built") return { ...finding, wheels: [] };
    const wheels = await collectWheels({
      order,
      interpreter,
      outFolder: join(this.#folder, "out"),
      scratchFolder: join(this.#folder, "scratch"),
      tools: { env: this.#environment(), buildId: this.#buildId, cell, signal: this.#signal },
      note: (line) => this.#log.note(line),
    });
    return { ...finding, wheels };
  }

  async #openCell(): Promise<Cell> {
    const { order, interpreter, upstreamIndex, farmIndex } = this.#request;
    this.#cell = await this.#site.sandbox.openCell({
      folder: this.#folder,
      buildId: this.#buildId,
      interpreter,
      readable: readableOf(this.#runner),
      urls: [upstreamIndex, ...(farmIndex === null ? [] : [farmIndex]), order.sdist.url],
      note: (line) => this.#log.note(line),
    });
    return this.#cell;
  }

  /** What the sdist lists, and what its back-end asked for on top of it. */
  #allRequires(): readonly string[] | undefined {
    const asked = this.#resolved.asked();
    if (this.#buildRequires === undefined) return asked.length === 0 ? undefined : asked;
    return [...new Set([...this.#buildRequires, ...asked])].slice(0, 200);
  }

  async #run(sdistPath: string, cell: Cell): Promise<Finding> {
    const { order, interpreter, upstreamIndex, farmIndex } = this.#request;
    const { timeoutMs, killGraceMs } = this.#site;
    const runner = this.#runner;
    const isPip = runner.run.kind === "pip";
    // The runner's own things lie in the folder of temporary files, which it may write and nobody builds in.
    const told: RunnerOrder = {
      order,
      interpreter,
      sdistPath,
      outFolder: join(this.#folder, "out"),
      orderPath: join(this.#folder, "tmp", "order.json"),
      statusPath: join(this.#folder, "tmp", "status"),
      upstreamIndex,
      farmIndex,
    };
    const statuses = new StatusReader((status) => {
      this.#log.note(`[${runner.name}] ${status.status} ${status.text}`.trimEnd());
      // A mask may be longer than what it hides.
      this.#request.onStatus?.({
        status: this.#log.masked(status.status).slice(0, 50),
        text: this.#log.masked(status.text).slice(0, 500),
      });
    });
    if (!isPip) {
      this.#log.note(`Built by the runner ${runner.name}`);
      await writeOrder(runner, told);
    }
    const reports = await this.#openReports();
    const statusPipe = isPip
      ? undefined
      : await NamedPipe.create(told.statusPath, STATUS_PIPE, (chunk) => statuses.write(chunk));
    const env = { ...this.#environment(), ...(reports && { PIP_REPORT: reports.path }) };
    const command = commandOf(runner, told, env);
    this.#hasRun = true;
    let exit: Exit;
    try {
      exit = await runCommand(
        {
          argv: command.argv,
          cwd: join(this.#folder, "cwd"),
          env: { ...env, ...command.env },
          buildId: this.#buildId,
          cell,
        },
        killGraceMs === undefined ? { timeoutMs } : { timeoutMs, graceMs: killGraceMs },
        (chunk) => this.#log.write(chunk),
        this.#signal,
      );
    } finally {
      statusPipe?.close();
      reports?.close();
      statuses.close();
    }
    this.#signal.throwIfAborted();
    if (exit.limit !== undefined) return this.#limited(exit.limit);
    // The runner knows best, but not of a build that was ended before it had.
    if (statuses.verdict !== undefined && exit.endedBy === "itself") return statuses.verdict;
    const log = this.#log.readEnd();
    const finding = findCause(exit, log, timeoutMs);
    const refusal = isOfItself(finding) ? findRefusal(exit, log, cell.limits) : undefined;
    if (refusal !== undefined) return this.#limited(refusal, finding.message);
    return finding.cause === "dependency-missing" ? await this.#questioned(finding) : finding;
  }

  #limited(hit: LimitHit, more = ""): Finding {
    const message = more === "" ? hit.message : `${hit.message}: ${more}`;
    this.#log.note(`The build ${hit.message}`);
    return { cause: causeOfLimit(hit), message: message.slice(0, 2_000), missing: [] };
  }

  /** Without a way for pip's reports the hashes of what it installs stay unknown, and nothing else. */
  async #openReports(): Promise<NamedPipe | undefined> {
    const path = join(this.#folder, "tmp", "pip-reports");
    try {
      return await NamedPipe.create(path, REPORT_PIPE, (chunk) =>
        this.#resolved.writeReport(chunk),
      );
    } catch {
      return undefined;
    }
  }

  /** A requirement counts as missing only when the indexes were there to say so. */
  async #questioned(finding: Finding): Promise<Finding> {
    const { upstreamIndex, farmIndex, interpreter } = this.#request;
    const indexes = farmIndex === null ? [upstreamIndex] : [upstreamIndex, farmIndex];
    const [missing = ""] = finding.missing;
    const trouble = await findIndexTrouble(indexes, missing, interpreter.target, this.#signal);
    if (trouble === undefined) return finding;
    this.#log.note(trouble);
    return { cause: "index-unreachable", message: trouble, missing: [] };
  }

  /** What was built stays built, whatever of its walls is left. */
  async #closeCell(): Promise<void> {
    try {
      await this.#cell?.close();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#log.note(`The sandbox could not be cleared away: ${why}`);
    }
  }

  #troubleOf(error: unknown): Outcome {
    const message = error instanceof Error ? error.message : String(error);
    this.#log.note(message);
    if (error instanceof SdistError) return failed(error.buildCause, message);
    if (error instanceof BadWheelError) return failed("bad-wheel", message);
    if (isDiskFull(error)) return failed("out-of-disk", message);
    if (this.#hasRun && isTampering(error, this.#folder)) {
      const inFolder = message.replaceAll(`${this.#folder}/`, "");
      return failed(
        "build-failed",
        `the build has locked or moved what is in its folder: ${inFolder}`,
      );
    }
    // What is left is this machine's doing (no processes left, a file system gone), not the package's.
    return failed("slave-lost", `the slave could not build: ${message}`);
  }

  #environment(): Record<string, string> {
    return buildEnvironment(process.env, {
      executable: this.#request.interpreter.executable,
      home: join(this.#folder, "home"),
      temporary: join(this.#folder, "tmp"),
      buildId: this.#buildId,
      jobs: this.#site.jobs ?? 1,
    });
  }
}

/** Failures that a limit may be behind. */
const isOfItself = ({ cause }: Finding): boolean =>
  cause === "build-failed" || cause === "out-of-memory" || cause === "out-of-disk";

export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");

const tamperedCodes = ["EACCES", "EPERM", "ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENOTEMPTY"];

/** Of what lies in the build's folder, something cannot be read that the slave had put there or that a build leaves. */
function isTampering(error: unknown, folder: string): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code, path } = each as NodeJS.ErrnoException;
    if (code !== undefined && tamperedCodes.includes(code)) {
      return path?.startsWith(`${folder}/`) ?? false;
    }
  }
  return false;
}

/** What a runner of one's own is made of, which lies anywhere. */
const readableOf = ({ run, path }: Runner): readonly string[] =>
  run.kind === "python" && run.python !== undefined ? [...path, run.python] : path;
