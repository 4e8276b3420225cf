/**
 * Starts a build's command and sees it to its end: own process group, no input, limited in time, and
 * nothing of it left afterwards. Called by build.ts. `launch` is the one place where a command becomes
 * processes, so that a sandbox is put around all of them there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { endBuildProcesses, signalProcess } from "./build-processes.ts";

export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The id that the processes carry in `env`. */
  readonly buildId: string;
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
  readonly endedBy: "itself" | "timeout" | "abort";
}

/** The shell sets the umask for the build alone (Node's is the whole process's) and joins the two outputs in order. */
const LAUNCHER = 'umask 022; exec "$@" 2>&1';

const launch = (command: Command): ChildProcess =>
  spawn("/bin/sh", ["-c", LAUNCHER, "sh", ...command.argv], {
    cwd: command.cwd,
    env: command.env,
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });

/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A pipe that is still open this long after everything was ended is held by something out of reach. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Runs a command to its end. Resolves when it and all that it started is gone; aborting ends it as the
 * time limit does: SIGTERM, then SIGKILL.
 *
 * @throws when the shell cannot be started
 */
export async function runCommand(
  command: Command,
  limits: Limits,
  output: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<Exit> {
  const child = launch(command);
  child.stdout?.on("data", output);
  let endedBy: Exit["endedBy"] = "itself";
  let killTimer: NodeJS.Timeout | undefined;
  const end = (why: Exit["endedBy"]) => {
    if (endedBy !== "itself") return;
    endedBy = why;
    signalGroup(child, "SIGTERM");
    killTimer = setTimeout(() => signalGroup(child, "SIGKILL"), limits.graceMs ?? 5_000);
  };
  const limitTimer = setTimeout(() => end("timeout"), Math.min(limits.timeoutMs, MAX_TIMER_MS));
  const onAbort = () => end("abort");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const exit = await exitOf(child);
    // The group first: it is all that can be found where there is no /proc.
    if (child.pid !== undefined) signalProcess(-child.pid, "SIGKILL");
    await endBuildProcesses(command.buildId);
    await closed(child);
    return { ...exit, endedBy };
  } finally {
    clearTimeout(limitTimer);
    clearTimeout(killTimer);
    signal.removeEventListener("abort", onAbort);
  }
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
