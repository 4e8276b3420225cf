/**
 * One slave per folder: two of them would deliver each other's builds and remove each other's work.
 * Called by the tree at start. It does not guard against another machine that mounts the same folder.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export class FolderInUseError extends Error {
  readonly pid: number;
  constructor(folder: string, pid: number) {
    super(
      `${folder} is in use by the slave with process id ${pid}: stop it, or give --dir another folder`,
    );
    this.name = "FolderInUseError";
    this.pid = pid;
  }
}

export interface FolderLock {
  release(): Promise<void>;
}

const LOCK_FILENAME = "slave.pid";
const MAX_ATTEMPTS = 500;
/** Taking a lock over is a matter of milliseconds. */
const GUARD_MS = 10_000;

/**
 * Takes the lock, also over a dead holder: the file holds process id and start time of its process, so
 * that a process id used again is not mistaken for the slave that once had it.
 *
 * @throws FolderInUseError
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_FILENAME);
  const mine = `${process.pid} ${(await startTimeOf(process.pid)) ?? ""} ${randomUUID()}\n`;
  const proposal = `${path}.${randomUUID()}`;
  await writeFile(proposal, mine, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (await linked(proposal, path)) return { release: () => release(path, mine) };
      await removeStale(folder, path);
    }
    throw new Error(`${path} cannot be taken: it comes back each time that it is removed`);
  } finally {
    await rm(proposal, { force: true });
  }
}

/** A hard link either is made with its content or is not made: there is never an empty lock file. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

/**
 * Removes a dead holder's lock. Only whoever has the guard may remove one, and looks again before: two
 * starters that both saw the dead holder would else remove each other's fresh lock.
 */
async function removeStale(folder: string, path: string): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await made(guard))) {
    // Its maker may have died in these few moments.
    const age = await ageOf(guard);
    if (age !== undefined && age > GUARD_MS) await rmdir(guard).catch(() => undefined);
    else await delay(10 + Math.random() * 20);
    return;
  }
  try {
    const held = await readText(path);
    const holder = held === undefined ? undefined : await findHolder(held);
    if (holder !== undefined) throw new FolderInUseError(folder, holder);
    await rm(path, { force: true });
  } finally {
    await rmdir(guard);
  }
}

async function made(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

const isTaken = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EEXIST";

const ageOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => undefined,
  );

/** The process id in a lock's text, if the very process that wrote it still runs. */
async function findHolder(text: string): Promise<number | undefined> {
  const [pidText = "", startedAt = ""] = text.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  const now = await startTimeOf(pid);
  return startedAt === "" || now === undefined || now === startedAt ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Field 22 of /proc/PID/stat, clock ticks since boot; undefined where there is no /proc. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readText(`/proc/${pid}/stat`);
  // The second field is the program's name in brackets and may hold spaces and brackets itself.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readText(path)) === mine) await rm(path, { force: true });
}

const readText = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch(() => undefined);
