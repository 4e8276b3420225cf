/**
 * The frame around every command: options, log, signals, one clear line for a failure, exit code.
 *
 * Exit codes: 0 done (for a tree also after SIGINT or SIGTERM), 1 failed, 2 the command line, the
 * environment or a configuration file is wrong, 130 interrupted; others are a command's own. What a command does is in
 * `commands/`; this knows none of them.
 */

import type { commonOptions } from "../config/common-options.ts";
import { ConfigurationError } from "../config/configuration-error.ts";
import type { HookSettings } from "../config/hooks.ts";
import { type Log, type LogLevel, openLog } from "../config/log.ts";
import type { LogLevels } from "../config/log-levels.ts";
import type { Options, Program, Values } from "../config/option.ts";
import { readConfiguration } from "../config/read-configuration.ts";
import type { RunnerSettings } from "../config/runners.ts";
import type { Logger } from "../supervisor/index.ts";
import { isOrderly, type System, superviseProcess } from "../supervisor/index.ts";
import { failureLine } from "./failure-line.ts";
import { takeServiceManager } from "./service-manager.ts";

/** A program that still runs this long after its work is over is ended: something was left open. */
const LEFT_OPEN_MS = 2_000;

/** As a shell says it of a program that SIGINT ended. */
export const INTERRUPTED = 130;

export interface Frame {
  readonly logger: Logger;
  /** What `logger` goes by. */
  readonly logLevels: LogLevels;
  /** Aborted by SIGINT and SIGTERM while no tree runs yet. */
  readonly signal: AbortSignal;
  /** The `[runner:NAME]` sections of the configuration files. */
  readonly runners: readonly RunnerSettings[];
  /** Their `[hook:NAME]` sections. */
  readonly hooks: readonly HookSettings[];
  /** Writes a line to standard output. */
  print(line: string): void;
  /**
   * Starts a tree and stays with it until it has ended. Signals stop it in order.
   *
   * @returns exit code
   * @throws the error that the tree gave up with, at its start or later
   */
  superviseTree(
    start: (logger: Logger, signal: AbortSignal) => Promise<System>,
    shutdownMs: number,
  ): Promise<number>;
}

export interface CommandDefinition<O extends Options> {
  readonly program: Program<O>;
  /** Of the log without `-q` and `-v`. Default `info`; tools that answer on standard output say `warn`. */
  readonly logLevel?: LogLevel;
  /** Where the log goes that a person may read; default: standard error. */
  readonly logStream?: { write(line: string): unknown; readonly isTTY?: boolean };
  /** Whether root needs `--allow-root`. */
  readonly refusesRoot?: boolean;
  /** Of an end that is to be told from other failures; undefined: it is one of them. */
  readonly exitCode?: (error: unknown) => number | undefined;
  /** @returns exit code; what it throws is shown as one line and is exit code 1 */
  run(values: Values<O>, operands: readonly string[], frame: Frame): Promise<number>;
}

type Common = typeof commonOptions;

/** Runs a command to its end and sets the process's exit code. Never rejects. */
export async function runProgram<O extends Common & Options>(
  definition: CommandDefinition<O>,
  argv: readonly string[],
): Promise<void> {
  const { name } = definition.program;
  // A reader that went away (`piw status | head`) is no failure.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  let showsStacks = argv.filter((word) => /^-v+$/.test(word)).join("").length > 3;
  const fail = (error: unknown): void => {
    const stack = showsStacks && error instanceof Error ? `\n${error.stack}` : "";
    process.stderr.write(`${name}: ${failureLine(error)}${stack}\n`);
    process.exitCode =
      definition.exitCode?.(error) ?? (error instanceof ConfigurationError ? 2 : 1);
  };
  const signals = watchSignals();
  const surprised = (error: unknown): void => {
    fail(error);
    process.exit();
  };
  process.on("uncaughtException", surprised);
  try {
    const configuration = readConfiguration(definition.program, argv);
    if (configuration.kind === "text") {
      process.stdout.write(configuration.text);
      return;
    }
    const { values, operands, runners, hooks } = configuration;
    showsStacks = numberOf(values, "verbose") > 1;
    refuseRoot(definition, values);
    const { logger, levels } = openProgramLog(definition, values, signals);
    const code = await definition.run(values, operands, {
      logger,
      logLevels: levels,
      signal: signals.signal,
      runners,
      hooks,
      print: (line) => void process.stdout.write(`${line}\n`),
      superviseTree: async (start, shutdownMs) => {
        const manager = takeServiceManager(process.env, logger);
        const system = await startOrStop(start(logger, signals.signal), signals.signal);
        if (system === undefined) {
          return 0;
        }
        superviseProcess(system, { deadlineMs: shutdownMs + LEFT_OPEN_MS });
        manager?.ready();
        for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => manager?.stopping());
        // Only now: Node forgets a signal that is under way while nobody listens.
        signals.release();
        process.off("uncaughtException", surprised);
        // A tree without anything to wait for still stands until it is told to stop.
        const standing = setInterval(() => {}, 2 ** 30);
        const reason = await system.terminated;
        clearInterval(standing);
        if (reason.kind === "error") {
          throw reason.error;
        }
        return isOrderly(reason) ? 0 : 1;
      },
    });
    // The runtime may have set another one for an error outside of any actor.
    process.exitCode = Math.max(code, Number(process.exitCode ?? 0));
  } catch (error) {
    if (signals.signal.aborted) {
      process.exitCode = INTERRUPTED;
    } else {
      fail(error);
    }
  } finally {
    signals.release();
    setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
  }
}

/** A tree that a signal stopped while it started is an orderly end, whatever it says of it. */
async function startOrStop(
  starting: Promise<System>,
  signal: AbortSignal,
): Promise<System | undefined> {
  try {
    const system = await starting;
    if (!signal.aborted) {
      return system;
    }
    await system.stop();
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
  return undefined;
}

function refuseRoot<O extends Options>(definition: CommandDefinition<O>, values: Values<O>): void {
  if (definition.refusesRoot === true && runsAsRoot() && !isSet(values, "allow-root")) {
    throw new Error(
      "this would run as root: use an ordinary user, or say --allow-root if you must",
    );
  }
}

export function runsAsRoot(): boolean {
  return process.getuid?.() === 0;
}

function openProgramLog<O extends Options>(
  definition: CommandDefinition<O>,
  values: Values<O>,
  signals: Signals,
): Pick<Log, "logger" | "levels"> {
  const devMode = isSet(values, "dev-mode");
  const file = (values as Readonly<Record<string, unknown>>)["log-file"];
  const debug = (values as Readonly<Record<string, unknown>>)["debug"];
  const { logger, levels, reopen } = openLog({
    quiet: numberOf(values, "quiet"),
    verbose: numberOf(values, "verbose"),
    devMode,
    level: definition.logLevel ?? "info",
    ...(typeof file === "string" ? { file } : {}),
    ...(definition.logStream === undefined ? {} : { stream: definition.logStream }),
    ...(Array.isArray(debug) ? { debug: debug as string[] } : {}),
  });
  if (typeof file === "string") {
    signals.onHangup(reopen);
  }
  if (devMode) {
    logger.warn("dev mode: short timeouts and a full log; not for production");
  }
  return { logger, levels };
}

interface Signals {
  readonly signal: AbortSignal;
  /** Replaces what SIGHUP does: by default it stops the program in order, as the others. */
  onHangup(action: () => void): void;
  /** Leaves SIGINT and SIGTERM to the runtime. */
  release(): void;
}

/** Until a tree runs, a signal gives up what is being done; a second one ends the process at once. */
function watchSignals(): Signals {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) {
      process.exit(INTERRUPTED);
    }
    controller.abort(new Error("interrupted"));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  let hangup = (): void => {
    process.kill(process.pid, "SIGTERM");
  };
  process.on("SIGHUP", () => hangup());
  stopWithParent();
  return {
    signal: controller.signal,
    onHangup: (action) => {
      hangup = action;
    },
    release: () => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
    },
  };
}

/** `npm run farm` starts the program with a channel: when it closes, the terminal's side was killed. */
function stopWithParent(): void {
  if (process.connected) {
    process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
    process.channel?.unref();
  }
}

function isSet(values: object, name: string): boolean {
  return (values as Readonly<Record<string, unknown>>)[name] === true;
}

function numberOf(values: object, name: string): number {
  return Number((values as Readonly<Record<string, unknown>>)[name] ?? 0);
}
