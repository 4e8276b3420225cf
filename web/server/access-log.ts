/**
 * A log of what was asked for, in the format `combined` of Apache and nginx, for those who have no other web server
 * before the farm's own; piw-logger reads it. Written behind the answers, in batches. Whoever rotates logs moves the
 * file away: that is seen before the next batch, and a new file begun.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { Answered } from "./exchange.ts";

/** A quiet site's lines are on disk after this. */
const WRITE_MS = 500;
/** A disk that is slower than the visitors costs lines, not memory. */
const MAX_WAITING_CHARS = 4 * 1_024 * 1_024;
/** Of a request's target, referrer and user agent each: nobody needs to fill the disk with one request. */
const MAX_FIELD_CHARS = 2_000;

export interface AccessLog {
  add(answered: Answered): void;
  /** Writes what waits. Repeatable. */
  close(): Promise<void>;
}

/**
 * @param onTrouble what went wrong, in words for people; told once until lines can be written again
 * @throws Error where no file can be opened there
 */
export async function openAccessLog(
  path: string,
  onTrouble: (trouble: { err: unknown; lostLines: number }) => void,
): Promise<AccessLog> {
  const log = new FileLog(path, onTrouble);
  await log.open();
  return log;
}

class FileLog implements AccessLog {
  readonly #path: string;
  readonly #onTrouble: (trouble: { err: unknown; lostLines: number }) => void;
  #handle: FileHandle | undefined;
  #lines: string[] = [];
  #chars = 0;
  #lostLines = 0;
  #isTroubled = false;
  #timer: NodeJS.Timeout | undefined;
  /** Batches go one after the other. */
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(path: string, onTrouble: (trouble: { err: unknown; lostLines: number }) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  async open(): Promise<void> {
    // Without O_NONBLOCK a named pipe that nobody reads would hold a thread for ever.
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
    const handle = await open(this.#path, O_APPEND | O_CREAT | O_NONBLOCK | O_WRONLY, 0o640);
    try {
      if (!(await handle.stat()).isFile()) throw new Error(`${this.#path} is no ordinary file`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
  }

  add(answered: Answered): void {
    if (this.#isClosed || this.#chars > MAX_WAITING_CHARS) {
      this.#lostLines += 1;
      return;
    }
    const line = lineOf(answered);
    this.#lines.push(line);
    this.#chars += line.length;
    this.#timer ??= setTimeout(() => this.#writeNext(), WRITE_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#writeNext();
    await this.#writing;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #writeNext(): void {
    this.#writing = this.#writing.then(() => this.#write());
  }

  /** Takes what has come until now; what comes meanwhile sets off the next. */
  async #write(): Promise<void> {
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#chars = 0;
    if (lines.length === 0) return;
    try {
      const handle = await this.#current();
      await handle.appendFile(lines.join(""), "latin1");
      if (this.#lostLines > 0)
        this.#complain(new Error("lines came faster than they were written"));
      this.#isTroubled = false;
    } catch (error) {
      this.#lostLines += lines.length;
      this.#complain(error);
      this.#isTroubled = true;
    }
  }

  #complain(err: unknown): void {
    if (this.#isTroubled) return;
    this.#onTrouble({ err, lostLines: this.#lostLines });
    this.#lostLines = 0;
  }

  /** The file that has the name now, made anew where it was moved away. */
  async #current(): Promise<FileHandle> {
    const [named, opened] = [
      await stat(this.#path).catch(() => undefined),
      await this.#handle?.stat(),
    ];
    if (this.#handle !== undefined && named?.ino === opened?.ino && named?.dev === opened?.dev) {
      return this.#handle;
    }
    await this.#handle?.close();
    this.#handle = undefined;
    await this.open();
    return this.#current();
  }
}

/** `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"` */
export function lineOf(answered: Answered): string {
  const { address, method, target, httpVersion, status, bodyBytes } = answered;
  const request = `${method} ${escaped(target)} HTTP/${httpVersion}`;
  const bytes = bodyBytes === 0 ? "-" : bodyBytes;
  const [referrer, userAgent] = [answered.referrer, answered.userAgent].map(
    (text) => escaped(text) || "-",
  );
  return `${address} - - [${timeOf(answered.atMs)}] "${request}" ${status} ${bytes} "${referrer}" "${userAgent}"\n`;
}

/** What would end a field or a line, or change a terminal, goes by its bytes, as nginx writes it. */
const escaped = (text: string): string =>
  text.slice(0, MAX_FIELD_CHARS).replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
    /["\\\u0000-\u001f\u007f-\uffff]/g,
    (character) =>
      `\\x${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`,
  );

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
let lastSecond = 0;
let lastText = "";

/** `22/Nov/2026:17:00:01 +0000`. Lines of one second share the text. */
function timeOf(atMs: number): string {
  const second = Math.floor(atMs / 1_000);
  if (second === lastSecond) return lastText;
  const at = new Date(second * 1_000);
  const day = String(at.getUTCDate()).padStart(2, "0");
  const time = at.toISOString().slice(11, 19);
  lastText = `${day}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}:${time} +0000`;
  lastSecond = second;
  return lastText;
}
