/**
 * All logs that a slave can be asked for: of the builds in hand, of finished ones that are not delivered yet,
 * and of builds that an earlier slave was killed in. Made by tree.ts; build.ts says what runs, the
 * link session asks for parts. It writes no log.
 *
 * A lost build's log is in no result and is never delivered: it stays here, in `lost-logs/`, until newer ones
 * take its place, and can be read while the slave is connected.
 */
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Token } from "../../protocol/model/build.ts";
import type { LogPart } from "../../protocol/model/build-log.ts";
import { FinishedLog } from "../../protocol/model/finished-log.ts";
import { type BuildLog, rescueLog } from "./build-log.ts";
import type { KeptLog, Outbox } from "./outbox.ts";

/** Newer ones take the place of older ones; each is at most as long as a log may be. */
const MAX_LOST_LOGS = 10;
/** A reader that waits for more gets it in pieces of this length of time, not line by line. */
const GATHER_MS = 100;

export interface LogQuestion {
  readonly token: Token;
  readonly position: number;
  readonly maxBytes: number;
  /** How long to wait where there is nothing beyond the position yet. */
  readonly waitMs: number;
}

export class BuildLogs {
  readonly #outbox: Outbox;
  readonly #lostFolder: string;
  readonly #running = new Map<Token, BuildLog>();

  /** @param lostFolder where `keepLostLog` left some */
  constructor(outbox: Outbox, lostFolder: string) {
    this.#outbox = outbox;
    this.#lostFolder = lostFolder;
  }

  opened(token: Token, log: BuildLog): void {
    this.#running.set(token, log);
  }

  /** From now on the outbox has it, or nobody. */
  closed(token: Token): void {
    this.#running.delete(token);
  }

  /** Undefined where there is no log of this build. */
  async read(question: LogQuestion, signal: AbortSignal): Promise<LogPart | undefined> {
    const { token, position, maxBytes, waitMs } = question;
    const running = this.#running.get(token);
    if (running !== undefined) {
      await waitForMore(running, position, waitMs, signal);
      return running.read(position, maxBytes);
    }
    const path =
      this.#outbox.find(token) === undefined
        ? join(this.#lostFolder, nameOf(token))
        : this.#outbox.logPath(token);
    return readFinished(path, position, maxBytes);
  }
}

/**
 * Keeps the log of a build that was cut off, from where the outbox had it.
 * @returns where it is now and its last line; undefined where nothing was written
 */
export async function keepLostLog(
  folder: string,
  token: Token,
  path: string,
): Promise<KeptLog | undefined> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const to = join(folder, nameOf(token));
  const lastLine = await rescueLog(path, to);
  const kept = (await readdir(folder))
    .filter((name) => /^\d+\.log$/.test(name))
    .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10));
  for (const name of kept.slice(MAX_LOST_LOGS)) await rm(join(folder, name), { force: true });
  return lastLine === undefined ? undefined : { path: to, lastLine };
}

const nameOf = (token: Token): string => `${token}.log`;

/** Until there is something, and then a moment more, so that many short lines come in one part. */
async function waitForMore(
  log: BuildLog,
  position: number,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (waitMs === 0) return;
  await log.changed(position, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]));
  await log.changed(
    position + GATHER_BYTES,
    AbortSignal.any([signal, AbortSignal.timeout(Math.min(waitMs, GATHER_MS))]),
  );
}

/** So much is given at once. */
const GATHER_BYTES = 16_384;

async function readFinished(
  path: string,
  position: number,
  maxBytes: number,
): Promise<LogPart | undefined> {
  const log = new FinishedLog(createReadStream(path));
  try {
    return await log.read(position, maxBytes);
  } catch {
    // Delivered or dropped meanwhile: it is not here any more.
    return undefined;
  } finally {
    await log.close();
  }
}
