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
import { readBuildRequires } from "./build-requires.ts";
import { type Finding, findCause } from "./cause.ts";
import { buildEnvironment } from "./environment.ts";
import { findIndexTrouble } from "./index-answer.ts";
import type { Interpreter } from "./interpreter.ts";
import { runCommand } from "./launch.ts";
import type { Outbox } from "./outbox.ts";
import { pipCommand } from "./runner-pip.ts";
import { type DownloadLimits, downloadSdist, SdistError } from "./sdist-download.ts";
import { BadWheelError, collectWheels, type WheelFile } from "./wheel-files.ts";

/** What all builds of a slave share. */
export interface BuildSite {
  readonly outbox: Outbox;
  /** Each build gets a folder of its own below it. */
  readonly workFolder: string;
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
    const outcome = await this.#steps().catch((error: unknown) => {
      this.#signal.throwIfAborted();
      return this.#troubleOf(error);
    });
    return { ...outcome, buildRequires: this.#buildRequires };
  }

  async #steps(): Promise<Outcome> {
    const { order, interpreter } = this.#request;
    for (const name of ["home", "tmp", "out", "source", "scratch", "cwd"]) {
      await mkdir(join(this.#folder, name), { recursive: true, mode: 0o700 });
    }
    this.#log.note(
      `Building ${order.package} ${order.version} for ${order.target} with Python ${interpreter.target.pythonFullVersion} and pip ${interpreter.pipVersion}`,
    );
    const sdistPath = join(this.#folder, "source", order.sdist.filename);
    await downloadSdist(order.sdist, sdistPath, this.#site.download ?? {}, this.#signal);
    this.#log.note(`Fetched ${order.sdist.filename}, SHA-256 ${order.sdist.sha256}`);
    this.#buildRequires = await readBuildRequires(sdistPath, {
      interpreter,
      cwd: join(this.#folder, "cwd"),
      env: this.#environment(),
      buildId: this.#buildId,
      signal: this.#signal,
    });
    const finding = await this.#run(sdistPath);
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

  async #run(sdistPath: string): Promise<Finding> {
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
    };
    const { timeoutMs, killGraceMs } = this.#site;
    const exit = await runCommand(
      command,
      killGraceMs === undefined ? { timeoutMs } : { timeoutMs, graceMs: killGraceMs },
      (chunk) => this.#log.write(chunk),
      this.#signal,
    );
    this.#signal.throwIfAborted();
    const finding = findCause(exit, await this.#log.readEnd(), timeoutMs);
    return finding.cause === "dependency-missing" ? await this.#questioned(finding) : finding;
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
      jobs: this.#site.jobs ?? 1,
    });
  }
}

export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
