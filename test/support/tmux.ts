/**
 * A real terminal for tests: tmux with a server of its own, in which one command runs. Keys are sent to it, its screen is
 * read as text, and what the command wrote is counted. `end` ends the server and with it the command.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Other tests may have the machine. */
const PATIENCE_MS = 45_000;
const LOOK_MS = 100;

export const hasTmux = ((): boolean => {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

export class TestTerminal {
  readonly folder = mkdtempSync(join(tmpdir(), "ww-tmux-"));
  readonly written = join(this.folder, "written");

  /** Starts a command; when it has ended, its exit code stands on the screen as `ended with N`. */
  static async open(
    command: readonly string[],
    { columns = 80, rows = 24, env = {} }: TerminalOptions = {},
  ): Promise<TestTerminal> {
    const terminal = new TestTerminal();
    const variables = { LC_ALL: "C.UTF-8", TERM: "tmux-256color", NO_COLOR: "", ...env };
    const words = [
      "env",
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...command,
    ].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    // The shell waits until what is written is counted.
    const line = `read go; ${words.join(" ")}; echo "ended with $?"; exec sleep 600`;
    await terminal.#tmux(
      ...["new-session", "-d", "-x", String(columns), "-y", String(rows), `sh -c ${quoted(line)}`],
    );
    await terminal.#tmux("set-option", "-g", "status", "off");
    await terminal.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
    await terminal.#tmux("pipe-pane", "-o", `cat >> ${terminal.written}`);
    await terminal.keys("Enter");
    return terminal;
  }

  /** As `tmux send-keys` names them: `Enter`, `Down`, letters. */
  async keys(...keys: readonly string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** As it would come from a terminal, such as a click. */
  async types(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The screen's lines; with their colours as sequences. */
  async screen(withColours = false): Promise<string> {
    return this.#tmux("capture-pane", "-p", ...(withColours ? ["-e"] : []));
  }

  /** The first screen that fits; fails with the last one. */
  async until(
    what: string,
    fits: RegExp | ((screen: string) => boolean),
    patienceMs = PATIENCE_MS,
  ): Promise<string> {
    const isFit = typeof fits === "function" ? fits : (screen: string) => fits.test(screen);
    const endAt = performance.now() + patienceMs;
    for (;;) {
      const screen = await this.screen();
      if (isFit(screen)) return screen;
      if (performance.now() > endAt) throw new Error(`not on the screen: ${what}\n${screen}`);
      await delay(LOOK_MS);
    }
  }

  /** All that the command has written so far. */
  get writtenBytes(): number {
    return statSync(this.written, { throwIfNoEntry: false })?.size ?? 0;
  }

  async end(): Promise<void> {
    await this.#tmux("kill-server").catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    // Nobody's terminal says that it is a CI's: colours would be left out there.
    const { TMUX: _outer, CI: _ci, ...env } = process.env;
    const { stdout } = await run(
      "tmux",
      ["-u", "-S", join(this.folder, "socket"), "-f", "/dev/null", ...args],
      { env },
    );
    return stdout;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
