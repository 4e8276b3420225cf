/**
 * The programs' log: pino, to standard error and, with `-l FILE`, to a file.
 *
 * Readable lines where standard error is a terminal, JSON lines otherwise and in the file. `-q` and
 * `-v` set the level of standard error; the file gets `info` at least. `--debug TASK` lets all lines of
 * single tasks (bound to `task`, or to an `actor` of that id) pass on both. `piw log-level` changes how much is
 * said while the process runs (`log-levels.ts`). `bin/program.ts` makes one for the process; actors get children of it. All
 * writes are synchronous: a crash loses no line.
 */
import pino from "pino";
import pretty from "pino-pretty";
import { ConfigurationError } from "./configuration-error.ts";
import { LEVELS, type LogLevel, LogLevels } from "./log-levels.ts";
import { logLine, taskOf } from "./log-line.ts";

export type { LogLevel } from "./log-levels.ts";

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
  /** How much is said, to be changed while the process runs. */
  readonly levels: LogLevels;
  /** Opens the file anew under its name, after somebody moved it away. */
  reopen(): void;
}

/** @throws ConfigurationError when the file cannot be opened */
export function openLog(options: LogOptions): Log {
  const levels = new LogLevels(chosenLevel(options), options.debug ?? []);
  const stream = options.stream ?? process.stderr;
  const isTerminal = stream.isTTY === true;
  const sinks: Sink[] = [
    {
      limit: () => levels.console,
      write: isTerminal ? terminalWriter(stream, options.verbose > 1) : plain(stream),
    },
  ];
  let reopen = (): void => {};
  if (options.file !== undefined) {
    const destination = openFile(options.file);
    sinks.push({ limit: () => levels.file, write: (line) => void destination.write(line) });
    reopen = () => destination.reopen();
  }
  const hasFile = options.file !== undefined;
  const family = new Family();
  const logger = pino(
    {
      level: levels.lowest(hasFile),
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause },
      onChild: (child) => family.add(child),
    },
    fanOut(sinks, levels),
  );
  family.add(logger);
  levels.onChange(() => family.setLevel(levels.lowest(hasFile)));
  return { logger, levels, reopen };
}

/**
 * The loggers of the process: a child of pino's has its level for itself. Those of actors that have ended are let go;
 * they are counted when there are twice as many as after the last count.
 */
class Family {
  #members = new Set<WeakRef<pino.Logger>>();
  #countAt = 1_000;

  add(logger: pino.Logger): void {
    this.#members.add(new WeakRef(logger));
    if (this.#members.size < this.#countAt) return;
    this.#members = new Set([...this.#members].filter((member) => member.deref() !== undefined));
    this.#countAt = Math.max(1_000, 2 * this.#members.size);
  }

  setLevel(level: LogLevel): void {
    for (const member of this.#members) {
      const logger = member.deref();
      if (logger !== undefined) logger.level = level;
    }
  }
}

interface Sink {
  /** Lines of this level and above, where nothing else was said of their task. */
  limit(): LogLevel;
  write(line: string): void;
}

/** Hands each line to the sinks whose level admits it; what was said of its task counts for all of them. */
function fanOut(sinks: readonly Sink[], levels: LogLevels): pino.DestinationStream {
  const destination = {
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write(line: string): void {
      const level = destination.lastLevel;
      const isLoud = sinks.every((sink) => level >= numberOf(sink.limit()));
      const ofTask = levels.mayDiffer(isLoud) ? levels.find(taskNames(line)) : undefined;
      for (const sink of sinks) {
        if (level >= numberOf(ofTask ?? sink.limit())) sink.write(line);
      }
    },
  };
  return destination;
}

const numberOf = (level: LogLevel): number => pino.levels.values[level] ?? 0;

/** By what names the sender of a line is known: its task, or an actor's id and path. */
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
