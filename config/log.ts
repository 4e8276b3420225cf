/**
 * The programs' log: pino, to standard error and, with `-l FILE`, to a file.
 *
 * Readable lines where standard error is a terminal, JSON lines otherwise and in the file. `-q` and
 * `-v` set the level of standard error; the file gets `info` at least. `--debug TASK` lets all lines of
 * single tasks (bound to `task`, or to an `actor` of that id) pass on both. `bin/program.ts` makes one
 * for the process; actors get children of it. All writes are synchronous: a crash loses no line.
 */
import pino from "pino";
import pretty from "pino-pretty";
import { ConfigurationError } from "./configuration-error.ts";
import { logLine, taskOf } from "./log-line.ts";
import { taskMatcher } from "./task-pattern.ts";

export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";
const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug", "trace"];

export interface LogOptions {
  /** How often `-q` and `-v` were said. */
  readonly quiet: number;
  readonly verbose: number;
  /** Raises the level to `debug` unless `-q` was said. */
  readonly devMode?: boolean;
  /** The level without `-q` and `-v`; default `info`. */
  readonly level?: LogLevel;
  readonly file?: string | undefined;
  /** Task names and `*` patterns whose lines are shown whatever their level. */
  readonly debug?: readonly string[];
  /** Where lines go that a person may read; default: standard error. */
  readonly stream?: { write(line: string): unknown; readonly isTTY?: boolean };
}

export interface Log {
  readonly logger: pino.Logger;
  /** Opens the file anew under its name, after somebody moved it away. */
  reopen(): void;
}

/** @throws ConfigurationError when the file cannot be opened */
export function openLog(options: LogOptions): Log {
  const consoleLevel = chosenLevel(options);
  const stream = options.stream ?? process.stderr;
  const isTerminal = stream.isTTY === true;
  const sinks: Sink[] = [
    {
      level: consoleLevel,
      write: isTerminal ? terminalWriter(stream, options.verbose > 1) : plain(stream),
    },
  ];
  let reopen = (): void => {};
  if (options.file !== undefined) {
    const destination = openFile(options.file);
    sinks.push({
      level: louder(consoleLevel, "info"),
      write: (line) => void destination.write(line),
    });
    reopen = () => destination.reopen();
  }
  const debug = options.debug ?? [];
  const base = debug.length > 0 ? "trace" : sinks.map((sink) => sink.level).reduce(louder);
  const logger = pino(
    {
      level: base,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause },
    },
    fanOut(sinks, debug),
  );
  return { logger, reopen };
}

interface Sink {
  readonly level: LogLevel;
  write(line: string): void;
}

/** Hands each line to the sinks whose level admits it, and to all when it is of a task of `--debug`. */
function fanOut(sinks: readonly Sink[], debug: readonly string[]): pino.DestinationStream {
  const limits = sinks.map((sink) => pino.levels.values[sink.level] ?? 0);
  const highest = Math.max(...limits);
  const isTraced = taskMatcher(debug);
  const destination = {
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write(line: string): void {
      const level = destination.lastLevel;
      const passes = debug.length > 0 && level < highest && taskNames(line).some(isTraced);
      for (const [index, sink] of sinks.entries()) {
        if (passes || level >= (limits[index] ?? 0)) {
          sink.write(line);
        }
      }
    },
  };
  return destination;
}

/** By what names `--debug` knows the sender of a line: its task, or an actor's id and path. */
function taskNames(line: string): string[] {
  const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const actor = typeof record["actor"] === "string" ? record["actor"] : undefined;
  return [taskOf(record), actor].filter((name) => name !== undefined);
}

function terminalWriter(
  stream: { write(line: string): unknown },
  stacks: boolean,
): (line: string) => void {
  const format = pretty.prettyFactory({
    colorize: true,
    translateTime: "SYS:HH:MM:ss",
    ignore: "pid,hostname",
    hideObject: true,
    messageFormat: (record) => logLine(record, stacks),
    customLevels: "",
    errorLikeObjectKeys: [],
  });
  return (line) => {
    stream.write(format(line));
  };
}

function plain(stream: { write(line: string): unknown }): (line: string) => void {
  return (line) => {
    stream.write(line);
  };
}

function openFile(file: string): ReturnType<typeof pino.destination> {
  try {
    const destination = pino.destination({ dest: file, append: true, sync: true, mode: 0o640 });
    // A full disk must not end the farm; what the file misses is still on standard error.
    destination.on("error", () => {});
    return destination;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigurationError(`cannot write the log file ${file}: ${reason}`);
  }
}

function chosenLevel(options: LogOptions): LogLevel {
  const start = LEVELS.indexOf(options.level ?? "info");
  const asked = start + options.verbose - options.quiet;
  const dev = options.devMode === true && options.quiet === 0 ? LEVELS.indexOf("debug") : 0;
  return LEVELS[Math.min(Math.max(asked, dev, 0), LEVELS.length - 1)] ?? "info";
}

function louder(a: LogLevel, b: LogLevel): LogLevel {
  return LEVELS.indexOf(a) > LEVELS.indexOf(b) ? a : b;
}
