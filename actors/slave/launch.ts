/**
 * Starts a build's command and sees it to its end: own process group, no input, limited in time and in what
 * it uses, and nothing of it left afterwards. Called by whoever runs something for a build. `launch` is the
 * one place where a command becomes processes, so a build's cell is put around all of them there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { ProcessTree, signalProcess } from "./build-processes.ts";
import type { Cell } from "./sandbox/cell.ts";
import { type LimitHit, limitText } from "./sandbox/limits.ts";

export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The id that the processes carry in `env`. */
  readonly buildId: string;
  /** What the build may see and use. Without one: all, but for the time. */
  readonly cell?: Cell;
}

export interface Limits {
  readonly timeoutMs: number;
  /** Between SIGTERM and SIGKILL; default 5 s. */
  readonly graceMs?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Who ended it. What the signal says counts as the build's own doing only for `itself`. */
  readonly endedBy: "itself" | "timeout" | "abort" | "limit";
  /** With `limit`: which one. */
  readonly limit?: LimitHit;
}

/** The shell sets the umask for the build alone (Node's is the whole process's) and joins the two outputs in order. */
const LAUNCHER = 'umask 022; exec "$@" 2>&1';

function launch({ argv, cwd, env, cell }: Command): ChildProcess {
  const words = cell === undefined ? argv : cell.commandLine(argv, cwd);
  return spawn("/bin/sh", ["-c", LAUNCHER, "sh", ...words], {
    cwd,
    env: cell === undefined ? env : cell.environment(env),
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
}

/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A pipe that is still open this long after everything was ended is held by something out of reach. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Runs a command to its end. Resolves when it and all that it started is gone. Aborting ends it as the time
 * limit does: SIGTERM to each of its processes, then SIGKILL. Any other limit ends it with SIGKILL at once.
 *
 * @throws when the shell cannot be started, or the walls of the cell cannot be made
 */
export async function runCommand(
  command: Command,
  limits: Limits,
  output: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<Exit> {
  const { cell } = command;
  const child = launch(command);
  const tree = new ProcessTree(command.buildId, child.pid);
  child.once("exit", () => tree.forgetRoot());
  let endedBy = "itself" as Exit["endedBy"];
  let limit: LimitHit | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (why: "timeout" | "abort") => {
    if (endedBy !== "itself") return;
    endedBy = why;
    void ask(child, tree, cell?.isPidNamespace ?? false);
    killTimer = setTimeout(() => signalGroup(child, "SIGKILL"), limits.graceMs ?? 5_000);
  };
  const onHit = (hit: LimitHit) => {
    if (endedBy !== "itself") return;
    endedBy = "limit";
    limit = hit;
    signalGroup(child, "SIGKILL");
  };
  const first = new FirstWords();
  child.stdout?.on("data", first.hear);
  child.stdout?.on("data", countOutput(cell, output, onHit));
  const endWatch = cell?.watch(tree, onHit);
  const limitTimer = setTimeout(() => end("timeout"), Math.min(limits.timeoutMs, MAX_TIMER_MS));
  const onAbort = () => end("abort");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const exit = await exitOf(child);
    endWatch?.();
    // The group first: it is all that can be found where there is no /proc.
    if (child.pid !== undefined) signalProcess(-child.pid, "SIGKILL");
    await tree.end();
    await closed(child);
    limit ??= endedBy === "itself" ? cell?.findHit() : undefined;
    if (limit !== undefined) return { ...exit, endedBy: "limit", limit };
    if (cell?.isPidNamespace !== true) return { ...exit, endedBy };
    if (endedBy === "itself" && exit.code !== 0) first.throwIfOfBubblewrap();
    return { ...inner(exit), endedBy };
  } finally {
    endWatch?.();
    clearTimeout(limitTimer);
    clearTimeout(killTimer);
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Walls that cannot be made are this machine's trouble (namespaces used up, a folder gone), never the
 * package's. They are seen by bubblewrap's being all that was heard; pip begins with words of its own.
 */
class FirstWords {
  #text = "";

  readonly hear = (chunk: Buffer): void => {
    if (this.#text.length < 1_000) this.#text += chunk.toString("utf8", 0, 1_000);
  };

  throwIfOfBubblewrap(): void {
    const line = this.#text.trim();
    if (line.startsWith("bwrap: ") && !line.includes("\n")) {
      throw new Error(`the sandbox could not be made (${line})`);
    }
  }
}

/** Counts what a build writes, and takes nothing more once it is too much. */
function countOutput(
  cell: Cell | undefined,
  output: (chunk: Buffer) => void,
  onHit: (hit: LimitHit) => void,
): (chunk: Buffer) => void {
  const most = cell?.limits.logBytes ?? Number.POSITIVE_INFINITY;
  let bytes = 0;
  return (chunk) => {
    if (bytes > most) return;
    bytes += chunk.length;
    output(chunk);
    if (cell !== undefined && bytes > most) {
      onHit({ kind: "log", message: `ended at ${limitText("log", cell.limits)}` });
    }
  };
}

/**
 * SIGTERM to each process. Those of a sandbox are in a session of its own, so a signal to the group would
 * reach nobody but bubblewrap, at whose end all of them are killed without having been asked.
 */
async function ask(child: ChildProcess, tree: ProcessTree, isPidNamespace: boolean): Promise<void> {
  const found = await tree.find();
  for (const { pid } of found) {
    if (!isPidNamespace || pid !== child.pid) signalProcess(pid, "SIGTERM");
  }
  // Nobody is found where there is no /proc.
  if (found.length === 0) signalGroup(child, "SIGTERM");
}

/** bubblewrap tells a signal that ended the command as shells do: 128 and its number. */
function inner(exit: Pick<Exit, "code" | "signal">): Pick<Exit, "code" | "signal"> {
  const number = (exit.code ?? 0) - 128;
  const name = Object.entries(constants.signals).find(([, each]) => each === number)?.[0];
  if (exit.signal !== null || name === undefined) return exit;
  return { code: null, signal: name as NodeJS.Signals };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    signalProcess(-child.pid, signal);
  }
}

const exitOf = (child: ChildProcess): Promise<Pick<Exit, "code" | "signal">> =>
  new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });

/** Waits until all output has been read. */
function closed(child: ChildProcess): Promise<void> {
  const { stdout } = child;
  if (stdout === null || stdout.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => stdout.destroy(), CLOSE_TIMEOUT_MS);
    stdout.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
