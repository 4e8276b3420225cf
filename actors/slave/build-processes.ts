/**
 * Finds and ends everything that a build started, daemons that left its process group included: each
 * carries the build's id in its environment, which /proc shows, or descends from one that does. Called
 * after every build, and at start for the builds of a slave that died.
 *
 * Without a sandbox a process that wipes its own environment, and whose parent ends before anybody looked,
 * escapes; a pid namespace holds it.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { BUILD_ID_VARIABLE } from "./environment.ts";

export interface BuildProcess {
  readonly pid: number;
  readonly threads: number;
  /** Pages in memory, those that it shares with others too. */
  readonly residentPages: number;
}

interface Stat extends BuildProcess {
  readonly parent: number;
  /** With the pid it names a process for good: pids are used again. */
  readonly startedAt: string;
}

/** How long to go on against a build that starts processes faster than they can be ended. */
const END_TIMEOUT_MS = 10_000;

/** So many files of /proc are read in a row, some 10 ms, before others have a turn. */
const READS_PER_TURN = 300;

/** The processes of one build. It remembers whom it has seen, so that looking often is cheap. */
export class ProcessTree {
  readonly #mark: Buffer;
  #rootPid: number | undefined;
  /** By pid; what each started at. */
  readonly #members = new Map<number, string>();
  readonly #strangers = new Map<number, string>();

  /** @param rootPid the first process of the build, where it is a child of ours */
  constructor(buildId: string, rootPid?: number) {
    this.#mark = Buffer.from(`${BUILD_ID_VARIABLE}=${buildId}\0`);
    this.#rootPid = rootPid;
  }

  /** The first process was heard to have ended: from now on its pid may be anybody's. */
  forgetRoot(): void {
    this.#rootPid = undefined;
  }

  /** Those that run now, but for zombies; empty where there is no /proc. */
  async find(): Promise<BuildProcess[]> {
    const alive = await this.#readAll();
    for (const known of [this.#members, this.#strangers]) {
      for (const [pid, startedAt] of known) {
        if (alive.get(pid)?.startedAt !== startedAt) known.delete(pid);
      }
    }
    const children = byParent(alive.values());
    const found = new Map<number, Stat>();
    const add = (stat: Stat): void => {
      for (const next = [stat]; next.length > 0; ) {
        const each = next.pop();
        if (each === undefined || found.has(each.pid)) continue;
        found.set(each.pid, each);
        this.#members.set(each.pid, each.startedAt);
        this.#strangers.delete(each.pid);
        next.push(...(children.get(each.pid) ?? []));
      }
    };
    for (const stat of alive.values()) {
      if (stat.pid === this.#rootPid || this.#members.has(stat.pid)) add(stat);
    }
    for (const stat of alive.values()) {
      if (found.has(stat.pid) || this.#strangers.has(stat.pid)) continue;
      if (carries(stat.pid, this.#mark)) add(stat);
      else this.#strangers.set(stat.pid, stat.startedAt);
    }
    return [...found.values()];
  }

  /**
   * Ends every process at once (SIGKILL), and looks again until none is left.
   * @returns those still there at the end of `timeoutMs`: unkillable, or too many
   */
  async end(timeoutMs = END_TIMEOUT_MS): Promise<BuildProcess[]> {
    const endAt = performance.now() + timeoutMs;
    for (;;) {
      const left = await this.find();
      if (left.length === 0 || performance.now() > endAt) return left;
      // Stopped first, so that none of them starts another while its brothers are being ended.
      for (const { pid } of left) signalProcess(pid, "SIGSTOP");
      for (const { pid } of left) signalProcess(pid, "SIGKILL");
      await delay(10);
    }
  }

  async #readAll(): Promise<Map<number, Stat>> {
    const stats = new Map<number, Stat>();
    for (const [index, name] of processNames().entries()) {
      if (index % READS_PER_TURN === READS_PER_TURN - 1) await turn();
      const stat = findStat(name);
      if (stat !== undefined && stat.pid !== process.pid) stats.set(stat.pid, stat);
    }
    return stats;
  }
}

/** Process ids of a build; empty where there is no /proc. */
export async function findBuildProcesses(buildId: string): Promise<number[]> {
  return (await new ProcessTree(buildId).find()).map(({ pid }) => pid);
}

/** Ends every process of a build that nobody has looked at so far. */
export function endBuildProcesses(buildId: string, timeoutMs?: number): Promise<BuildProcess[]> {
  return new ProcessTree(buildId).end(timeoutMs);
}

/** Signals a process, or with a negative id a group; one that is gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already, or not ours: nothing that a caller could do about it.
  }
}

function byParent(stats: Iterable<Stat>): Map<number, Stat[]> {
  const children = new Map<number, Stat[]>();
  for (const stat of stats) {
    const brothers = children.get(stat.parent);
    if (brothers === undefined) children.set(stat.parent, [stat]);
    else brothers.push(stat);
  }
  return children;
}

function processNames(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** `PID (NAME) STATE PPID …`, see proc_pid_stat(5); the name may hold anything. Zombies are nobody. */
function findStat(name: string): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${name}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent, threads, startedAt = "", residentPages] = [0, 1, 17, 19, 21].map(
    (index) => fields[index],
  );
  if (state === "Z" || state === "X") return undefined;
  return {
    pid: Number(name),
    parent: Number(parent),
    threads: Number(threads),
    startedAt,
    residentPages: Number(residentPages),
  };
}

/** Processes of other users cannot be read, and are none of ours; others end while we look. */
function carries(pid: number, mark: Buffer): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`);
    const at = environment.indexOf(mark);
    return at === 0 || (at > 0 && environment[at - 1] === 0);
  } catch {
    return false;
  }
}

/** Processes and threads of the slave's own user: RLIMIT_NPROC counts them all. */
export function countTasksOfUser(): number {
  const user = process.getuid?.();
  let tasks = 0;
  for (const name of processNames()) {
    const isOurs = statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid === user;
    if (isOurs) tasks += findStat(name)?.threads ?? 0;
  }
  return tasks;
}
