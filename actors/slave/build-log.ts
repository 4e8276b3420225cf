/**
 * The log of one build, bounded: its first part and its last part are kept, and the cut between them is
 * marked. Called by build.ts; fed from the build's output, which it never holds up; read while it grows, by
 * position (build-logs.ts). What looks like a secret is masked before anything else is done with it.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import type { LogPart } from "../../protocol/model/build-log.ts";
import { cutLine } from "../../protocol/model/finished-log.ts";
import { toError } from "../../supervisor/index.ts";
import { LastBytes } from "./last-bytes.ts";
import { RingFile, readAt, writeAt } from "./ring-file.ts";
import { SecretMask } from "./secret-mask.ts";

/** 10 MB: the longest useful logs are a few of them. */
export const LOG_LIMIT_BYTES = 10_000_000;
/** Of the newest text, in memory: more than a disk that keeps up is ever behind. */
const MEMORY_BYTES = 1024 * 1024;
/** Copied or written at a time. */
const BATCH_BYTES = 256 * 1024;
/** So far is looked for the first whole line after the cut. */
const LONGEST_LINE_BYTES = 65_536;

export interface FinishedLogFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface LogOptions {
  /** Default 10 MB. */
  readonly limitBytes?: number;
  /** Values to be masked beside what looks like a secret. */
  readonly secrets?: readonly string[];
  /** Default 1 MiB. */
  readonly memoryBytes?: number;
}

/**
 * The first half of the limit is a file, what comes after it a ring of the other half, on disk too. The newest
 * text is also in memory, from where it is written: so memory is bounded however much is said, and a disk
 * that falls behind by more loses the middle and never the end. A disk that is full loses text of the log, never the
 * build's result: the first failure is kept and told by `finish`.
 *
 * States: open (takes text), ended (all is said; what was kept is being brought together), finished (on disk, synced).
 */
export class BuildLog {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #headLimitBytes: number;
  readonly #tailLimitBytes: number;
  readonly #mask: SecretMask;
  readonly #newest: LastBytes;
  #headBytes = 0;
  /** The head takes no more: it is full, or what should have followed is lost. */
  #isHeadClosed = false;
  #ring: RingFile | undefined;
  /** Everything before it is on disk, or lost. */
  #writtenTo = 0;
  /** All that touches the files, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #isWriting = false;
  #failure: Error | undefined;
  #isEnded = false;
  #finished: Promise<FinishedLogFile> | undefined;
  /** Where the tail begins, as position and in the finished file. */
  #tail: { readonly position: number; readonly offset: number } | undefined;
  readonly #waiting = new Set<() => void>();
  #listener: (text: Buffer) => void = () => undefined;

  private constructor(path: string, file: FileHandle, options: LogOptions) {
    const { limitBytes = LOG_LIMIT_BYTES, memoryBytes = MEMORY_BYTES, secrets = [] } = options;
    this.#path = path;
    this.#file = file;
    this.#headLimitBytes = Math.floor(limitBytes / 2);
    this.#tailLimitBytes = limitBytes - this.#headLimitBytes;
    this.#mask = new SecretMask(secrets);
    this.#newest = new LastBytes(memoryBytes);
  }

  static async create(path: string, options: LogOptions = {}): Promise<BuildLog> {
    return new BuildLog(path, await open(path, "w", 0o600), options);
  }

  /** Takes output as it comes; a line is there when it has ended. After `finish` it is dropped. */
  write(chunk: Buffer): void {
    if (!this.#isEnded) this.#take(this.#mask.push(chunk));
  }

  /** From now on `listener` is given all that the log says, in whole lines mostly. One at a time. */
  listen(listener: (text: Buffer) => void): void {
    this.#listener = listener;
  }

  /** A line of the slave's own. */
  note(line: string): void {
    this.write(Buffer.from(`${line}\n`));
  }

  /** A text as the log would say it: without secrets. */
  masked(text: string): string {
    return this.#mask.text(text);
  }

  /** What was said last, as text, at most so much of it: where the cause of a failure stands. */
  readEnd(maxBytes = 512 * 1024): string {
    const end = this.#newest.end;
    return this.#newest.read(end - maxBytes, end).toString("utf8");
  }

  /** What is kept from a position on; where that was cut, from the first line after the cut. */
  async read(position: number, maxBytes: number): Promise<LogPart> {
    const { data, startsAt } = await this.#find(position, maxBytes);
    const nextPosition = startsAt + data.length;
    return {
      position,
      skippedBytes: startsAt - position,
      data,
      nextPosition,
      isEnd: this.#isEnded && nextPosition >= this.#newest.end,
    };
  }

  /** Resolves when there is something beyond a position, or there will be no more, or the signal aborts. */
  changed(position: number, signal: AbortSignal): Promise<void> {
    if (this.#isEnded || this.#newest.end > position || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }

  /**
   * Ends the log: what was kept is one file, on disk and synced.
   * @throws the first error of writing, e.g. ENOSPC
   */
  finish(): Promise<FinishedLogFile> {
    this.#finished ??= this.#end();
    return this.#finished;
  }

  #take(text: Buffer): void {
    if (text.length === 0) return;
    this.#newest.push(text);
    this.#listener(text);
    this.#wake();
    if (!this.#isWriting) void this.#write();
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #then<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    this.#work = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Writes until it has caught up, or the disk refuses; readers have their turn in between. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#writtenTo < this.#newest.end && this.#failure === undefined) {
      try {
        await this.#then(() => this.#writeBatch());
      } catch (error) {
        this.#failure = toError(error);
      }
    }
    this.#isWriting = false;
  }

  async #writeBatch(): Promise<void> {
    const from = Math.max(this.#writtenTo, this.#newest.start);
    if (from > this.#writtenTo) this.#isHeadClosed = true;
    const batch = this.#newest.read(from, from + BATCH_BYTES);
    const head = batch.subarray(0, this.#isHeadClosed ? 0 : this.#headLimitBytes - this.#headBytes);
    await writeAt(this.#file, this.#headBytes, head);
    this.#headBytes += head.length;
    if (this.#headBytes === this.#headLimitBytes) this.#isHeadClosed = true;
    const rest = batch.subarray(head.length);
    if (rest.length > 0) await this.#writeRing(from + head.length, rest);
    this.#writtenTo = from + batch.length;
  }

  async #writeRing(position: number, bytes: Buffer): Promise<void> {
    this.#ring ??= await RingFile.create(ringOf(this.#path), this.#tailLimitBytes, position);
    await this.#ring.write(position, bytes);
  }

  async #find(
    position: number,
    maxBytes: number,
  ): Promise<{ readonly data: Buffer<ArrayBuffer>; readonly startsAt: number }> {
    const newest = this.#newest;
    const fromMemory = (from: number) => ({
      data: newest.read(from, from + maxBytes),
      startsAt: from,
    });
    if (position >= newest.start) return fromMemory(position);
    return this.#then(async () => {
      if (position >= newest.start) return fromMemory(position);
      if (position < this.#headBytes) {
        const length = Math.min(maxBytes, this.#headBytes - position);
        return { data: await this.#readFile(position, length), startsAt: position };
      }
      const tailAt = this.#tail?.position ?? this.#ring?.start ?? newest.start;
      const to = this.#tail === undefined ? this.#writtenTo : newest.end;
      const isKept = this.#failure === undefined && tailAt < newest.start;
      if (!isKept) return fromMemory(await this.#lineAfter(newest.start, newest.end, true));
      const startsAt =
        position >= tailAt || this.#tail !== undefined
          ? Math.max(position, tailAt)
          : await this.#lineAfter(tailAt, to, false);
      if (startsAt >= newest.start) return fromMemory(startsAt);
      return { data: await this.#readTail(startsAt, Math.min(to, startsAt + maxBytes)), startsAt };
    });
  }

  /** The log may be finished already, and its tail in the file. */
  #readTail(from: number, to: number): Promise<Buffer<ArrayBuffer>> {
    if (this.#tail === undefined)
      return this.#ring?.read(from, to) ?? Promise.resolve(Buffer.alloc(0));
    return this.#readFile(this.#tail.offset + from - this.#tail.position, to - from);
  }

  async #readFile(offset: number, length: number): Promise<Buffer<ArrayBuffer>> {
    const file = await open(this.#path, "r");
    try {
      return await readAt(file, offset, length);
    } finally {
      await file.close();
    }
  }

  /** What was cut into begins in the middle of a line, and perhaps of a character. */
  async #lineAfter(position: number, end: number, isInMemory: boolean): Promise<number> {
    const to = Math.min(end - 1, position + LONGEST_LINE_BYTES);
    const text = isInMemory ? this.#newest.read(position, to) : await this.#readTail(position, to);
    return position + afterLine(text);
  }

  async #end(): Promise<FinishedLogFile> {
    this.#take(this.#mask.end());
    this.#isEnded = true;
    this.#wake();
    while (this.#isWriting) await this.#work;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#then(async () => {
        const ring = this.#ring;
        if (ring !== undefined) this.#tail = await appendTail(this.#file, this.#headBytes, ring);
        await this.#file.sync();
      });
    } catch (error) {
      this.#failure ??= toError(error);
      throw error;
    } finally {
      await this.#then(async () => {
        await this.#file.close();
        await this.#ring?.close();
        await rm(ringOf(this.#path), { force: true });
      });
    }
    return { sizeBytes: (await stat(this.#path)).size, sha256: await hashOf(this.#path) };
  }
}

const ringOf = (path: string): string => `${path}.ring`;

/** 0 where no line ends soon enough: half a line is more than none. */
const afterLine = (text: Buffer): number => text.indexOf(10) + 1;

/** Brings the two parts together: after the first one the line of the cut, where there is one, and the last lines. */
async function appendTail(
  file: FileHandle,
  headBytes: number,
  ring: RingFile,
): Promise<{ readonly position: number; readonly offset: number }> {
  let { start } = ring;
  let offset = headBytes;
  if (start > headBytes) {
    const to = Math.min(ring.end - 1, start + LONGEST_LINE_BYTES);
    start += afterLine(await ring.read(start, to));
    const line = Buffer.from(cutLine(start - headBytes));
    await writeAt(file, offset, line);
    offset += line.length;
  }
  const tail = { position: start, offset };
  for (let at = start; at < ring.end; at += BATCH_BYTES) {
    const part = await ring.read(at, at + BATCH_BYTES);
    await writeAt(file, offset, part);
    offset += part.length;
  }
  return tail;
}

const ENDED_LINE = "\n[... the slave ended in the middle of this build ...]\n";

/**
 * Makes a finished log of what a slave that was killed had written, and moves it.
 * @returns its last line, for people; undefined where nothing was left
 */
export async function rescueLog(path: string, to: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r+");
  } catch {
    return undefined;
  }
  const ring = await RingFile.find(ringOf(path));
  try {
    const { size } = await file.stat();
    if (size === 0) return undefined;
    if (ring !== undefined && ring.start >= size) await appendTail(file, size, ring);
    const end = (await file.stat()).size;
    const last = await readAt(file, Math.max(0, end - 4_096), 4_096);
    await writeAt(file, end, Buffer.from(ENDED_LINE));
    await file.sync();
    await rename(path, to);
    return last.toString("utf8").trimEnd().split("\n").at(-1)?.slice(0, 500) ?? "";
  } finally {
    await file.close();
    await ring?.close();
  }
}

/** SHA-256 of a file in hexadecimal, read as a stream. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
