/**
 * How much a process logs: as it was configured (`-q`, `-v`, `--debug`), and what a person has ordered since, for all
 * tasks or for some (`piw log-level`). `log.ts` goes by it for each line; the master's part of a tree changes it.
 */
import { taskMatcher } from "./task-pattern.ts";

export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";
/** From the fewest lines to the most. */
export const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug", "trace"];

interface TaskLevel {
  readonly task: string;
  /** Null: as it was configured. */
  readonly level: LogLevel | null;
}

/** Beyond this the oldest is forgotten. */
const MOST_TASKS = 100;

export class LogLevels {
  readonly #configured: LogLevel;
  readonly #isTraced: (name: string) => boolean;
  readonly #hasTraced: boolean;
  /** For all tasks; null: as it was configured. */
  #ordered: LogLevel | null = null;
  /** By name or pattern, the last that fits counts. */
  #tasks: (TaskLevel & { fits(name: string): boolean })[] = [];
  #changed: () => void = () => undefined;

  /** `debug`: tasks of which every line is logged. */
  constructor(configured: LogLevel, debug: readonly string[]) {
    this.#configured = configured;
    this.#isTraced = taskMatcher(debug);
    this.#hasTraced = debug.length > 0;
  }

  /** `task`: a name or pattern, null for all of them; `level` null: as it was configured, which for all ends what was said of some. */
  set(task: string | null, level: LogLevel | null): void {
    if (task === null) {
      this.#ordered = level;
      if (level === null) this.#tasks = [];
    } else {
      const others = this.#tasks.filter((other) => other.task !== task);
      const lower = taskMatcher([task.toLowerCase()]);
      const added = { task, level, fits: (name: string) => lower(name.toLowerCase()) };
      // What was configured needs saying only where something else would fit too.
      this.#tasks = level === null && others.length === 0 ? [] : [...others, added];
      this.#tasks = this.#tasks.slice(-MOST_TASKS);
    }
    this.#changed();
  }

  now(): { readonly level: LogLevel; readonly tasks: readonly TaskLevel[] } {
    return { level: this.console, tasks: this.#tasks.map(({ task, level }) => ({ task, level })) };
  }

  /** One may listen: the log. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Of standard error. */
  get console(): LogLevel {
    return this.#ordered ?? this.#configured;
  }

  /** The file has `info` at least. */
  get file(): LogLevel {
    return louder(this.console, "info");
  }

  /** Below this no line can be wanted by anybody. */
  lowest(hasFile: boolean): LogLevel {
    const ordered = this.#tasks.flatMap(({ level }) => (level === null ? [] : [level]));
    const traced: LogLevel[] = this.#hasTraced ? ["trace"] : [];
    return [hasFile ? this.file : this.console, ...ordered, ...traced].reduce(louder);
  }

  /** Whether it matters whose line it is. `isLoud`: it would be logged everywhere. */
  mayDiffer(isLoud: boolean): boolean {
    return this.#tasks.length > 0 || (this.#hasTraced && !isLoud);
  }

  /** Of a task with these names; undefined: nothing was said of it. */
  find(names: readonly string[]): LogLevel | undefined {
    const ordered = this.#tasks.findLast(({ fits }) => names.some(fits))?.level;
    return ordered ?? (names.some(this.#isTraced) ? "trace" : undefined);
  }
}

function louder(a: LogLevel, b: LogLevel): LogLevel {
  return LEVELS.indexOf(a) > LEVELS.indexOf(b) ? a : b;
}
