/** The built piw-logger as a process with a pipe into it, and lines of logs for it to read. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface LoggerEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class LoggerProgram {
  readonly child: ChildProcess;
  readonly ended: Promise<LoggerEnd>;
  #stdout = "";
  #stderr = "";
  readonly #waiting = new Set<() => void>();

  constructor(...args: readonly string[]) {
    const program = new URL("../../dist/bin/piw-logger.js", import.meta.url).pathname;
    this.child = spawn(process.execPath, [program, "-c", "/dev/null", ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    // It may have ended before it has read all.
    this.child.stdin?.on("error", () => undefined);
    this.child.stdout?.on("data", (part: Buffer) => {
      this.#stdout += part.toString();
    });
    this.child.stderr?.on("data", (part: Buffer) => {
      this.#stderr += part.toString();
      for (const wake of [...this.#waiting]) wake();
    });
    this.ended = once(this.child, "close").then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** Resolves when the pipe has taken it. */
  async write(text: string): Promise<void> {
    if (this.child.stdin?.write(text) === false) await once(this.child.stdin, "drain");
  }

  /** Ends the pipe, and waits for the program's own end. */
  async end(text = ""): Promise<LoggerEnd> {
    this.child.stdin?.end(text);
    return this.ended;
  }

  /** Resolves when it has said the words on standard error. */
  async complained(words: string, patienceMs = 30_000): Promise<void> {
    const deadlineAt = performance.now() + patienceMs;
    while (!this.#stderr.includes(words)) {
      const leftMs = deadlineAt - performance.now();
      if (leftMs < 0) throw new Error(`not said: ${words}\n${this.#stderr}${this.#stdout}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => wake(), leftMs);
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}

/** Downloads in the format `combined`, each from an address of its own. */
export function downloads(from: number, to: number, project = "six"): string {
  const lines: string[] = [];
  for (let number = from; number < to; number += 1) {
    const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
    const second = String(number % 60).padStart(2, "0");
    lines.push(
      `${address} - - [22/Nov/2025:12:00:${second} +0000] "GET /simple/${project}/${project}-1.${number % 7}-py3-none-any.whl HTTP/1.1" 200 512 "-" "pip/23.0 {\\"cpu\\":\\"armv7l\\"}"\n`,
    );
  }
  return lines.join("");
}
