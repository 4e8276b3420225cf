/**
 * A program of the farm as an actor: starts it, waits until it is ready, crashes when it ends, stops it
 * in order. tree.ts makes one of the master and of each slave; restarts are the supervisor's.
 *
 * The program has a channel to this process; the frame of our programs stops in order when it closes, so
 * that a killed farm takes its programs with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, renameSync, statSync, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { defineActor } from "../../supervisor/index.ts";
import { endLeftover, forgetProcess, noteProcess } from "./leftover-process.ts";
import { errorText } from "./log-line.ts";

export interface ProgramArgs {
  /** As people know it: `piw-master`. */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly args: () => readonly string[];
  /** What the environment has beside this process's, without its PIW_ variables: the farm's options are given as such. */
  readonly env: () => Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Appended to; the one of 10 MiB and more before is kept as `.old`. */
  readonly logFile: string;
  readonly pidFile: string;
  /** Resolves when the program serves. Rejects when `signal` is aborted. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** How long it may take to stop in order. */
  readonly patienceMs: number;
  /** Shows a line to the person at the terminal. */
  readonly show: (line: string) => void;
}

/** It is told nothing: its life is the program's. */
export type ProgramMessages = Record<never, never>;

const LAST_WORDS_MS = 500;
/** Of a start that a signal ends. */
const ATTEMPTS = 3;
const LOG_BYTES_MAX = 10 * 1024 * 1024;

interface Ending {
  readonly why: string;
  /** By a signal. */
  readonly isKilled: boolean;
}

interface Running {
  readonly args: ProgramArgs;
  readonly child: ChildProcess;
  readonly log: WriteStream;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ending>;
  isOver: () => boolean;
}

export const program = defineActor<ProgramMessages, ProgramArgs, Running>({
  name: "runs a program of the farm",
  async init(ctx, args) {
    await endLeftover(args.pidFile, args.patienceMs, (line) => {
      ctx.log.warn(line);
    });
    ctx.signal.throwIfAborted();
    const running = await startUntilReady(args, ctx.signal);
    ctx.run(async (signal) => {
      const { why } = await running.ended;
      if (!signal.aborted) throw new Error(why);
    });
    return running;
  },
  handle: {},
  stop: end,
});

/** What ends with a code has said why, and would again; what was killed is as good as it was before. */
async function startUntilReady(args: ProgramArgs, signal: AbortSignal): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    const running = start(args);
    try {
      const ending = await Promise.race([args.ready(signal), running.ended]);
      if (ending === undefined) return running;
      if (!ending.isKilled || attempt === ATTEMPTS) throw new Error(ending.why);
    } catch (error) {
      await end(running);
      throw error;
    }
    signal.throwIfAborted();
  }
}

function start(args: ProgramArgs): Running {
  const [executable, ...rest] = args.command;
  keepSmall(args.logFile);
  const log = createWriteStream(args.logFile, { flags: "a", mode: 0o600 });
  // A full disk is no reason to end the program.
  log.on("error", () => undefined);
  const child = spawn(executable, [...rest, ...args.args()], {
    cwd: args.cwd,
    env: { ...ownEnvironment(), ...args.env() },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Ctrl-C on a terminal reaches a whole group; each program's turn to stop comes in order.
    detached: true,
  });
  if (child.pid !== undefined) noteProcess(args.pidFile, child.pid);
  let lastError = "";
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
      log.write(`${line}\n`);
      const text = errorText(line);
      if (text === undefined) return;
      lastError = text.replace(`${args.name}: `, "");
      args.show(`${args.name}: ${lastError}`);
    });
  }
  let over = false;
  const ended = new Promise<Ending>((resolve) => {
    child.once("error", (error) => {
      // Not when a signal could not be sent.
      if (child.pid === undefined) over = true;
      const why = `${args.name} cannot be started: ${error.message}`;
      if (over) resolve({ why, isKilled: false });
    });
    child.once("exit", (code, signal) => {
      over = true;
      forgetProcess(args.pidFile);
      const finish = () => {
        clearTimeout(timer);
        log.end();
        const how =
          signal === null ? `ended with code ${code ?? "none"}` : `was ended by ${signal}`;
        const words = lastError === "" ? "" : `: ${lastError}`;
        resolve({ why: `${args.name} ${how}${words}`, isKilled: signal !== null });
      };
      // `close` comes after the last line was read, unless something that it started holds its output.
      const timer = setTimeout(finish, LAST_WORDS_MS);
      child.once("close", finish);
    });
  });
  return { args, child, log, ended, isOver: () => over };
}

async function end({ args, child, ended, isOver }: Running): Promise<void> {
  for (const [signal, ms] of [
    ["SIGTERM", args.patienceMs],
    ["SIGKILL", 5_000],
  ] as const) {
    if (isOver()) return;
    child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([ended, deadline]);
    clearTimeout(timer);
  }
}

function ownEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (name.startsWith("PIW_")) delete env[name];
  return env;
}

function keepSmall(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size >= LOG_BYTES_MAX) renameSync(file, `${file}.old`);
}
