/**
 * The steps of one build in its own folder: fetch the sdist, run the runner on it, look at what came of it.
 * Called by build.ts, which removes the folder and ends what still runs. It turns every trouble into an
 * outcome, and puts nothing in the outbox but the log.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOrder } from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import type { BuildLog } from "./build-log.ts";
import type { BuildLogs } from "./build-logs.ts";
import { readBuildRequires } from "./build-requires.ts";
import { type Finding, findCause } from "./cause.ts";
import { buildEnvironment } from "./environment.ts";
import { findIndexTrouble } from "./index-answer.ts";
import type { Interpreter } from "./interpreter.ts";
import { runCommand } from "./launch.ts";
import type { Outbox } from "./outbox.ts";
import { pipCommand } from "./runner-pip.ts";
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
}

export interface Outcome extends Finding {
  readonly wheels: readonly WheelFile[];
  /** What the sdist says it needs to be built; undefined where that is not known. */
  readonly buildRequires?: readonly string[] | undefined;
}

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
  }

  /** Never throws but when aborted: every trouble is an outcome. */
  async outcome(): Promise<Outcome> {
    const outcome = await this.#steps()
      .catch((error: unknown) => {
        this.#signal.throwIfAborted();
        return this.#troubleOf(error);
      })
      .finally(() => this.#cell?.close());
    return { ...outcome, buildRequires: this.#buildRequires };
  }

  async #steps(): Promise<Outcome> {
    const { order, interpreter } = this.#request;
    await mkdir(join(this.#folder, "scratch"), { recursive: true, mode: 0o700 });
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
      tools: { env: this.#environment(), signal: this.#signal },
    });
    return { ...finding, wheels };
  }

  async #openCell(): Promise<Cell> {
    const { order, interpreter, upstreamIndex, farmIndex } = this.#request;
    this.#cell = await this.#site.sandbox.openCell({
      folder: this.#folder,
      buildId: this.#buildId,
      interpreter,
      urls: [upstreamIndex, ...(farmIndex === null ? [] : [farmIndex]), order.sdist.url],
      note: (line) => this.#log.note(line),
    });
    return this.#cell;
  }

  async #run(sdistPath: string, cell: Cell): Promise<Finding> {
    const { order, interpreter, upstreamIndex, farmIndex } = this.#request;
    const argv = pipCommand({
      interpreter,
      package: order.package,
      sdistPath,
      outFolder: join(this.#folder, "out"),
      upstreamIndex,
      farmIndex,
    });
    const command = {
      argv,
      cwd: join(this.#folder, "cwd"),
      env: this.#environment(),
      buildId: this.#buildId,
      cell,
    };
    const { timeoutMs, killGraceMs } = this.#site;
    const exit = await runCommand(
      command,
      killGraceMs === undefined ? { timeoutMs } : { timeoutMs, graceMs: killGraceMs },
      (chunk) => this.#log.write(chunk),
      this.#signal,
    );
    this.#signal.throwIfAborted();
    if (exit.limit !== undefined) return this.#limited(exit.limit);
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

  /** A requirement counts as missing only when the indexes were there to say so. */
  async #questioned(finding: Finding): Promise<Finding> {
    const { upstreamIndex, farmIndex } = this.#request;
    const indexes = farmIndex === null ? [upstreamIndex] : [upstreamIndex, farmIndex];
    const trouble = await findIndexTrouble(indexes, finding.missing[0] ?? "", this.#signal);
    if (trouble === undefined) return finding;
    this.#log.note(trouble);
    return { cause: "index-unreachable", message: trouble, missing: [] };
  }

  #troubleOf(error: unknown): Outcome {
    const message = error instanceof Error ? error.message : String(error);
    this.#log.note(message);
    if (error instanceof SdistError) return failed(error.buildCause, message);
    if (error instanceof BadWheelError) return failed("bad-wheel", message);
    if (isDiskFull(error)) return failed("out-of-disk", message);
    // What is left is this machine's doing (no processes left, a file system gone), not the package's.
    return failed("slave-lost", `the slave could not build: ${message}`);
  }

  #environment(): Record<string, string> {
    return buildEnvironment(process.env, {
      executable: this.#request.interpreter.executable,
      home: join(this.#folder, "home"),
      temporary: join(this.#folder, "tmp"),
      buildId: this.#buildId,
    });
  }
}

/** Failures that a limit may be behind. */
const isOfItself = ({ cause }: Finding): boolean =>
  cause === "build-failed" || cause === "out-of-memory" || cause === "out-of-disk";

export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
