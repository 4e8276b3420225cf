/**
 * What happened during a chaos run: every decision, and what the farm's programs logged, counted by
 * message and the last of it kept. It is the logger of the master and its slaves. It judges nothing
 * but one thing: errors that are nobody's, which no fault may bring about.
 */
import type { Logger, LogMethod } from "../../../supervisor/index.ts";

type Level = "trace" | "debug" | "info" | "warn" | "error";

/** Kept for a failing run. */
const LAST_LINES = 200;
/** Different messages that are counted; a text with a name in it could make many. */
const MAX_MESSAGES = 2_000;

/** What the runtime logs when an error cannot be laid at any actor's door, or is its own. */
const NOBODYS = [
  "an error that is no actor's: stopping",
  "a turn threw; this is an error of the runtime",
];

export class Journal {
  readonly logger: Logger = this.#loggerOf({});
  /** Errors that are no actor's, as text. */
  readonly strays: string[] = [];
  readonly #startedAtMs = performance.now();
  readonly #counts = new Map<string, number>();
  readonly #tell: (line: string) => void;
  #lines: string[] = [];

  /** @param tell is told each line at once */
  constructor(tell: (line: string) => void = () => undefined) {
    this.#tell = tell;
  }

  note(text: string): void {
    const seconds = ((performance.now() - this.#startedAtMs) / 1_000).toFixed(3);
    const line = `${seconds.padStart(8)}  ${text}`;
    this.#lines.push(line);
    this.#tell(line);
    if (this.#lines.length > 2 * LAST_LINES) this.#lines = this.#lines.slice(-LAST_LINES);
  }

  count(message: string): number {
    return this.#counts.get(message) ?? 0;
  }

  last(count = LAST_LINES): string[] {
    return this.#lines.slice(-count);
  }

  #loggerOf(bindings: Readonly<Record<string, unknown>>): Logger {
    const method =
      (level: Level): LogMethod =>
      (first: object | string, second?: string) => {
        if (typeof first === "string") this.#log(level, bindings, first);
        else this.#log(level, { ...bindings, ...first }, second ?? "");
      };
    return {
      trace: () => undefined,
      debug: () => undefined,
      info: method("info"),
      warn: method("warn"),
      error: method("error"),
      child: (more) => this.#loggerOf({ ...bindings, ...more }),
    };
  }

  #log(level: Level, fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#counts.has(message) || this.#counts.size < MAX_MESSAGES)
      this.#counts.set(message, this.count(message) + 1);
    const shown = Object.entries(fields).map(([name, value]) => `${name}=${show(value)}`);
    this.note(`${level} ${message} ${shown.join(" ")}`.slice(0, 400));
    if (NOBODYS.includes(message)) this.strays.push(`${message}: ${stackOf(fields["err"])}`);
  }
}

const show = (value: unknown): string =>
  value instanceof Error ? value.message : String(JSON.stringify(value));

const stackOf = (value: unknown): string =>
  value instanceof Error ? (value.stack ?? value.message) : String(value);
