/**
 * One build, from order to result: fetch the sdist, run the runner on it in a fresh folder, look at what came
 * of it, and leave result and files in the outbox. Called by the builder actor, which knows when and what
 * for; this file knows neither links nor the master.
 *
 *     begin (outbox) -> fetch -> run -> collect -> commit (outbox) -> the folder is removed, always
 *
 * Whatever goes wrong on the way is a result with its cause. Only three ends are no result: the build was
 * dropped (DroppedError), the disk had no room for the outbox (NoRoomError), and the outbox could not be
 * written for another reason (what the file system says is thrown).
 */
import { createHash, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOrder, BuildResult } from "../../protocol/model/build.ts";
import { BuildLog } from "./build-log.ts";
import { endBuildProcesses } from "./build-processes.ts";
import { removeTree } from "./remove-tree.ts";
import { secretsOf } from "./secret-mask.ts";
import {
  type BuildRequest,
  type BuildSite,
  isDiskFull,
  type Outcome,
  Workshop,
} from "./workshop.ts";

/** The build was aborted: its result is wanted by nobody and nothing of it is left. */
export class DroppedError extends Error {
  override readonly name = "DroppedError";
}

/** The disk had no room even for saying that a build runs, or that it failed: nothing of it is left. */
export class NoRoomError extends Error {
  override readonly name = "NoRoomError";
}

/**
 * Builds, and resolves when the result is safe in the outbox.
 * @throws DroppedError when the signal aborts before that, NoRoomError when the disk is full
 */
export async function runBuild(
  request: BuildRequest,
  site: BuildSite,
  signal: AbortSignal,
): Promise<BuildResult> {
  const { order } = request;
  const buildId = randomUUID();
  const folder = join(site.workFolder, `${order.token}-${buildId}`);
  const startedAt = performance.now();
  try {
    await site.outbox.begin(order, buildId, site.job);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await site.outbox.discard(order.token);
    throw noRoomFor(order, error);
  }
  try {
    const logPath = site.outbox.logPath(order.token);
    const log = await BuildLog.create(logPath, logOptions(request, site));
    site.logs.opened(order.token, log);
    const workshop = new Workshop(request, site, folder, buildId, log, signal);
    let outcome: Outcome;
    let logFile: BuildResult["log"];
    try {
      outcome = await workshop.outcome();
    } finally {
      await endBuildProcesses(buildId);
      logFile = await finishLog(log, logPath);
    }
    signal.throwIfAborted();
    const result: BuildResult = {
      cause: outcome.cause,
      message: log.masked(outcome.message).slice(0, 2_000),
      missing: maskedTexts(outcome.missing, log),
      ...(outcome.resolved && { resolved: [...outcome.resolved] }),
      ...(outcome.environment && { environment: outcome.environment }),
      ...(outcome.retryAfterMs !== undefined && { retryAfterMs: outcome.retryAfterMs }),
      ...(outcome.buildRequires && { buildRequires: maskedTexts(outcome.buildRequires, log) }),
      durationMs: Math.round(performance.now() - startedAt),
      files: outcome.wheels.map((wheel) => wheel.file),
      log: logFile,
    };
    const paths = outcome.wheels.map((wheel) => wheel.path);
    const makeRoom = () => removeTree(folder);
    return await settle(site, order, buildId, result, paths, makeRoom, log);
  } catch (error) {
    await site.outbox.discard(order.token);
    if (signal.aborted) throw new DroppedError(`build ${order.token} was dropped`);
    throw isDiskFull(error) ? noRoomFor(order, error) : error;
  } finally {
    site.logs.closed(order.token);
    await removeTree(folder);
  }
}

/** They are shown to everybody, and a requirement may be a URL with a password in it. */
const maskedTexts = (requirements: readonly string[], log: BuildLog): string[] =>
  requirements.map((requirement) => log.masked(requirement).slice(0, 500));

const noRoomFor = ({ token }: BuildOrder, error: unknown): NoRoomError =>
  new NoRoomError(`the slave's disk has no room for build ${token}`, { cause: error });

function logOptions({ order, upstreamIndex, farmIndex }: BuildRequest, site: BuildSite) {
  const secrets = secretsOf(process.env, [order.sdist.url, upstreamIndex, farmIndex ?? ""]);
  return site.logLimitBytes === undefined
    ? { secrets }
    : { secrets, limitBytes: site.logLimitBytes };
}

/** When the disk has no room for the files, that is the result; the workspace goes first to make some. */
async function settle(
  { outbox, job }: BuildSite,
  order: BuildOrder,
  buildId: string,
  result: BuildResult,
  paths: readonly string[],
  makeRoom: () => Promise<void>,
  lost: BuildLog,
): Promise<BuildResult> {
  try {
    await outbox.commit(order.token, result, paths);
    return result;
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await makeRoom();
    await outbox.discard(order.token);
    await outbox.begin(order, buildId, job);
    const log = await replaceLog(outbox.logPath(order.token), lost);
    const message = "the slave's disk has no room for what was built";
    const small: BuildResult = {
      ...result,
      cause: "out-of-disk",
      message,
      missing: [],
      files: [],
      log,
    };
    await outbox.commit(order.token, small, []);
    return small;
  }
}

/** A disk too full for the log loses the log but for its last lines, or all of it, and not the result. */
async function finishLog(log: BuildLog, path: string): Promise<BuildResult["log"]> {
  try {
    return await log.finish();
  } catch {
    return await replaceLog(path, log);
  }
}

/** What is known of the end of a log: little enough for the room that the log's own file gives back. */
const REPLACED_BYTES = 16_384;

async function replaceLog(path: string, lost: BuildLog): Promise<BuildResult["log"]> {
  try {
    const log = await BuildLog.create(path);
    log.note("The log was lost: the slave's disk had no room for it. Its last lines were:");
    log.write(Buffer.from(lost.readEnd(REPLACED_BYTES)));
    return await log.finish();
  } catch {
    await writeFile(path, "", { mode: 0o600 });
    return { sizeBytes: 0, sha256: createHash("sha256").digest("hex") };
  }
}
