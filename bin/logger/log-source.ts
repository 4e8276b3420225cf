/**
 * Where piw-logger reads from: files and standard input, gzip-compressed or not (their first bytes say it, not
 * their name). A gzip file may be cut off: what comes before the cut is read, then the error is thrown.
 */
import { constants, createReadStream, openSync, statSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ConfigurationError } from "../../config/configuration-error.ts";

export interface LogSource {
  /** As the user named it. */
  readonly name: string;
  readonly stream: Readable;
  /** Written to while it is read: when told to stop, what has been written already still counts. */
  readonly isPipe: boolean;
}

const CHUNK_BYTES = 256 * 1024;
/** After the signal, a pipe is read until nothing has come for so long, or so much has. */
const DRAIN_MS = 100;
const DRAIN_BYTES = 1024 * 1024;

/**
 * Opens all of them, before a line of any is read: a list with a mistake in it counts nothing.
 * @throws ConfigurationError naming the one that cannot be read
 */
export function openLogSources(operands: readonly string[]): LogSource[] {
  const names = operands.length === 0 ? ["-"] : operands;
  if (names.filter((name) => name === "-").length > 1)
    throw new ConfigurationError("standard input (-) can be read once only");
  return names.map((name) =>
    name === "-" ? { name: "standard input", stream: process.stdin, isPipe: true } : openFile(name),
  );
}

function openFile(name: string): LogSource {
  try {
    const found = statSync(name);
    if (found.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (found.isSocket()) throw Object.assign(new Error(), { code: "ENXIO" });
    const stream = found.isFIFO() ? openFifo(name) : openPlain(name);
    // Thrown again to who reads it; until its turn comes nobody listens.
    stream.on("error", () => {});
    return { name, stream, isPipe: !found.isFile() };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EACCES: "this user may not read it",
      EISDIR: "it is a folder",
      ENXIO: "it is a socket or no device that can be opened",
    };
    throw new ConfigurationError(`cannot read ${name}: ${reasons[code] ?? code}`);
  }
}

const openPlain = (name: string): Readable =>
  createReadStream(name, { fd: openSync(name, "r"), highWaterMark: CHUNK_BYTES });

/**
 * Waits in the event loop for a writer and what it writes: a thread that waits in open or read could be ended by
 * SIGKILL alone.
 */
function openFifo(name: string): Readable {
  const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

/**
 * What the source holds, inflated. Ends early, without an error, when the signal is aborted.
 * @throws Error of one line when it cannot be read on
 */
export async function* readSource(source: LogSource, signal: AbortSignal): AsyncGenerator<Buffer> {
  const chunks = untilStopped(source, signal);
  const first = await firstBytes(chunks);
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  const all = prepended(first, chunks);
  try {
    yield* isGzip ? inflated(all) : all;
  } catch (error) {
    // What was stopped in the middle is no file that was cut off.
    if (signal.aborted) return;
    throw new Error(`${source.name}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "Z_BUF_ERROR") return "the gzip file is cut off; what comes before was read";
  if (code?.startsWith("Z_") === true)
    return `the gzip file is damaged (${message}); what comes before was read`;
  return `it cannot be read on (${code ?? message})`;
}

async function* untilStopped(
  { stream, isPipe }: LogSource,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let idle: NodeJS.Timeout | undefined;
  let drainedBytes = 0;
  const wait = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => stream.destroy(), DRAIN_MS);
  };
  const stop = (): void => {
    if (isPipe) wait();
    else stream.destroy();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield chunk;
      if (!signal.aborted) continue;
      drainedBytes += chunk.length;
      if (!isPipe || drainedBytes > DRAIN_BYTES) return;
      wait();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(idle);
    signal.removeEventListener("abort", stop);
    stream.destroy();
  }
}

/** Enough of them to tell what it is; empty for an empty file. */
async function firstBytes(chunks: AsyncGenerator<Buffer>): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < 2) {
    const next: IteratorResult<Buffer, unknown> = await chunks.next();
    if (next.done === true) break;
    bytes = Buffer.concat([bytes, next.value]);
  }
  return bytes;
}

async function* prepended(first: Buffer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* chunks;
}

/**
 * Takes each piece out before the next one goes in, so that nothing lies inside when the end turns out to be missing.
 * Several gzip members follow each other as one text.
 */
async function* inflated(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const ended: { failure?: Error } = {};
  let wake = (): void => undefined;
  gunzip.on("error", (error) => {
    ended.failure = error;
    wake();
  });
  gunzip.on("readable", () => wake());
  const pass = async function* (start: (done: () => void) => void): AsyncGenerator<Buffer> {
    const step = { isDone: false };
    start(() => {
      step.isDone = true;
      wake();
    });
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      for (
        let piece = gunzip.read() as Buffer | null;
        piece !== null;
        piece = gunzip.read() as Buffer | null
      )
        yield piece;
      if (ended.failure !== undefined) throw ended.failure;
      if (step.isDone) return;
      await woken;
    }
  };
  try {
    for await (const chunk of chunks) yield* pass((done) => gunzip.write(chunk, () => done()));
    yield* pass((done) => {
      gunzip.once("end", done);
      gunzip.end();
    });
  } finally {
    gunzip.destroy();
  }
}
