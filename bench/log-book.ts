/**
 * What the farm's programs say in their logs while a bench runs, as values with the instant that each line
 * was written. Filled by `bench-farm.ts`; benches wait for lines here instead of asking the farm again and
 * again, which would itself take of the time that is measured.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface LogLine {
  readonly program: string;
  readonly level: string;
  /** Unix ms. */
  readonly writtenAt: number;
  readonly msg: string;
  readonly package: string | undefined;
  readonly version: string | undefined;
  /** The build's token. */
  readonly build: number | undefined;
  readonly cause: string | undefined;
  readonly detail: string | undefined;
}

/** How many lines a failure shows. */
const SHOWN = 20;

export class LogBook {
  readonly #lines: LogLine[] = [];
  /** Called at the next line, whichever it is. */
  readonly #waiting = new Set<() => void>();
  #broken: Error | undefined;

  /** Takes one line of a program's log; what is no JSON is kept as its text. */
  add(program: string, text: string): void {
    if (text.trim() === "") return;
    this.#lines.push(parseLine(program, text));
    for (const wake of [...this.#waiting]) wake();
  }

  /** Whoever waits, now or later, is told that there is nothing to wait for. */
  giveUp(error: Error): void {
    this.#broken ??= error;
    for (const wake of [...this.#waiting]) wake();
  }

  /**
   * The first line that fits, already written or to come.
   * @throws Error with the last lines when none comes within `patienceMs`
   */
  async line(
    what: string,
    fits: (line: LogLine) => boolean,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<LogLine> {
    const deadlineAt = performance.now() + patienceMs;
    for (;;) {
      const found = this.#lines.find(fits);
      if (found !== undefined) return found;
      signal.throwIfAborted();
      if (this.#broken !== undefined) throw this.#broken;
      const leftMs = deadlineAt - performance.now();
      if (leftMs <= 0) throw new Error(`not within ${patienceMs} ms: ${what}\n${this.last()}`);
      await this.#next(leftMs, signal);
    }
  }

  /** The last lines, for the message of a failure. */
  last(): string {
    return this.#lines
      .filter(({ level }) => level !== "debug")
      .slice(-SHOWN)
      .map(({ program, msg, detail }) => `  ${program}: ${msg}${detail ? ` (${detail})` : ""}`)
      .join("\n");
  }

  async #next(withinMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const wake = (): void => over.abort();
    this.#waiting.add(wake);
    try {
      await delay(withinMs, undefined, { signal: AbortSignal.any([over.signal, signal]) });
    } catch {
      // Woken, or interrupted: the caller looks which.
    } finally {
      this.#waiting.delete(wake);
    }
  }
}

function parseLine(program: string, text: string): LogLine {
  const record = recordOf(text);
  const word = (name: string): string | undefined => {
    const value = record[name];
    return typeof value === "string" ? value : undefined;
  };
  const { build } = record;
  return {
    program,
    level: word("level") ?? "error",
    writtenAt: Date.parse(word("time") ?? "") || Date.now(),
    msg: word("msg") ?? text,
    package: word("package"),
    version: word("version"),
    build: typeof build === "number" ? build : undefined,
    cause: word("cause"),
    detail: word("detail"),
  };
}

function recordOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
