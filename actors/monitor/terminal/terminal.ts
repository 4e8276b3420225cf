/**
 * The terminal that the monitor has: switched to a screen of its own without echo, and back, whatever happens. Frames are
 * written one at a time and not more than some a second; while the line is slow the newest waits, those between are
 * never written. The screen actor owns one.
 */
import { write, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ReadStream, WriteStream } from "node:tty";
import { FramePainter, type Size } from "./frame-painter.ts";
import { type Input, KeyParser } from "./key-parser.ts";

export interface TerminalHandlers {
  /** The frame that should be seen now; asked for when it can be written. */
  draw(): string;
  input(input: Input): void;
  resized(size: Size): void;
  /** Nobody can read or type any more: it was closed. */
  gone(): void;
}

export interface TerminalOptions {
  readonly input: ReadStream;
  readonly output: WriteStream & { readonly fd: number };
  /** Draws with ASCII alone. */
  readonly isAscii: boolean;
  readonly hasMouse: boolean;
}

/** 8 a second at most. */
const FRAME_MS = 125;
/** What follows Escape within this time belongs to it; lines are slow. */
const ESCAPE_MS = 150;
const FALLBACK: Size = { columns: 80, rows: 24 };
/** A terminal that was stopped with Ctrl-S takes nothing. */
const LAST_WRITE_MS = 1_000;

const MOUSE = "\u001b[?1000h\u001b[?1006h";
const NO_MOUSE = "\u001b[?1006l\u001b[?1000l";
/** A screen of its own, no cursor, no wrapping at the edge, pastes marked as such. */
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[?2004h";
const LEAVE = "\u001b[?2004l\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l";

export class Terminal {
  readonly #options: TerminalOptions;
  readonly #handlers: TerminalHandlers;
  readonly #painter: FramePainter;
  readonly #keys = new KeyParser();
  #isWanted = false;
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #escape: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isOpen = false;
  #isClosed = false;

  constructor(options: TerminalOptions, handlers: TerminalHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#painter = new FramePainter(options.isAscii);
    const { input, output } = options;
    input.on("data", this.#onData).on("end", this.#onGone).on("error", this.#onGone);
    output.on("resize", this.#onResize).on("error", this.#onGone);
    process.on("exit", this.#onExit).on("SIGCONT", this.#onContinued);
    this.#enter();
  }

  get size(): Size {
    const { columns, rows } = this.#options.output;
    return columns > 0 && rows > 0 ? { columns, rows } : FALLBACK;
  }

  /** There is another frame to be seen. */
  refresh(): void {
    this.#isWanted = true;
    this.#pump();
  }

  /** All of the next frame is written, also what has not changed. */
  redraw(): void {
    this.#painter.forget();
    this.refresh();
  }

  /** Gives the terminal back to the shell until the program is continued. */
  async suspend(): Promise<void> {
    await this.#writing;
    this.#leave();
    process.kill(process.pid, "SIGTSTP");
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#escape);
    const { input, output } = this.#options;
    input.off("data", this.#onData).off("end", this.#onGone).off("error", this.#onGone);
    output.off("resize", this.#onResize).off("error", this.#onGone);
    const patience = delay(LAST_WRITE_MS, undefined, { ref: false });
    await Promise.race([this.#writing, patience]);
    this.#leave();
    input.pause();
    process.off("exit", this.#onExit).off("SIGCONT", this.#onContinued);
  }

  readonly #onData = (bytes: Uint8Array): void => {
    clearTimeout(this.#escape);
    for (const input of this.#keys.push(bytes)) this.#handlers.input(input);
    if (!this.#keys.isWaiting) return;
    this.#escape = setTimeout(() => {
      for (const input of this.#keys.flush()) this.#handlers.input(input);
    }, ESCAPE_MS);
  };
  readonly #onResize = (): void => this.#handlers.resized(this.size);
  readonly #onGone = (): void => this.#handlers.gone();
  readonly #onExit = (): void => this.#leave();
  readonly #onContinued = (): void => {
    this.#enter();
    this.#handlers.resized(this.size);
    this.refresh();
  };

  #enter(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const { input, hasMouse } = this.#options;
    input.setRawMode(true);
    input.resume();
    this.#painter.forget();
    this.#writeNow(ENTER + (hasMouse ? MOUSE : ""));
  }

  #leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#writeNow((this.#options.hasMouse ? NO_MOUSE : "") + LEAVE);
    try {
      this.#options.input.setRawMode(false);
    } catch {
      // It was closed: there is nothing to give back.
    }
  }

  /** A few bytes, at the beginning and at the end. */
  #writeNow(text: string): void {
    try {
      writeSync(this.#options.output.fd, text);
    } catch {
      // A terminal that takes nothing now, or never again: frames will tell.
    }
  }

  #pump(): void {
    if (this.#writing !== undefined || !this.#isOpen || this.#isClosed) return;
    clearTimeout(this.#timer);
    if (!this.#isWanted) return;
    const waitMs = this.#nextAt - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#pump(), waitMs);
      return;
    }
    this.#isWanted = false;
    const bytes = this.#painter.paint(this.#handlers.draw(), this.size);
    if (bytes === "") return;
    this.#nextAt = performance.now() + FRAME_MS;
    this.#writing = writeAll(this.#options.output.fd, Buffer.from(bytes)).then(
      () => {
        this.#writing = undefined;
        this.#pump();
      },
      () => {
        this.#writing = undefined;
        if (!this.#isClosed) this.#handlers.gone();
      },
    );
  }
}

/** Not through the stream: for terminals Node writes there at once, and all else would stand still while the line is slow. */
async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    const written = await new Promise<number>((resolve, reject) => {
      write(fd, rest, (error, count) => {
        if (error === null) resolve(count);
        else if (error.code === "EAGAIN" || error.code === "EINTR") resolve(0);
        else reject(error);
      });
    });
    if (written === 0) await delay(10);
    rest = rest.subarray(written);
  }
}
