/**
 * The slave's spool on disk: what was built and is not yet acknowledged, and which build runs. Written by
 * the builders, read by the link session and the file sender.
 *
 * An entry is the folder `<token>/`:
 *
 *     order.json    the order, the job, the id that the build's processes carry; there from the start
 *     files/        the log and the wheels
 *     result.json   comes last, after all of `files/` is synced: with it the build is finished
 *
 * So a folder without a valid result.json, or without the files that it names, is a build that a crash cut
 * off: `open` removes it and reports it. It is not a queue: it knows no order and starts nothing.
 */
import { constants } from "node:fs";
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import {
  type BuildOrder,
  type BuildResult,
  buildOrderSchema,
  buildResultSchema,
  LOG_FILENAME,
  type Token,
  tokenSchema,
} from "../../protocol/model/build.ts";
import { sync, writeDurably } from "./durable-file.ts";
import { OpenFiles } from "./open-files.ts";
import { removeTree } from "./remove-tree.ts";

const startedSchema = z.object({
  order: buildOrderSchema,
  buildId: z.string().max(100),
  /** Not said by slaves that had only one. */
  job: z.int().min(1).default(1),
});
const finishedSchema = z.object({ token: tokenSchema, result: buildResultSchema });

export interface FinishedBuild {
  readonly token: Token;
  readonly result: BuildResult;
  /** Which job of the slave it was given to: only that one's session may deliver it. */
  readonly job: number;
}

/** A build that ended with the slave that ran it. */
export interface CutOffBuild {
  readonly folder: string;
  /** The id of its processes, where it could still be read. */
  readonly buildId: string | undefined;
  /** What was kept of its log. */
  readonly log: KeptLog | undefined;
}

export interface KeptLog {
  readonly path: string;
  readonly lastLine: string;
}

/** A part of a file, or why there is none. */
export type FilePart =
  | { readonly data: Buffer<ArrayBuffer>; readonly isLast: boolean }
  | { readonly missing: string };

export class Outbox {
  readonly #folder: string;
  readonly #finished = new Map<Token, BuildResult>();
  readonly #jobs = new Map<Token, number>();
  readonly #open = new OpenFiles();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Reads what an earlier slave left: finished builds are taken over, cut-off ones are removed and told.
   * Their processes may still run; ending them is the caller's.
   *
   * @param keepLog what to do with the log of a cut-off build before it goes
   */
  static async open(
    folder: string,
    keepLog?: (token: Token, path: string) => Promise<KeptLog | undefined>,
  ): Promise<{ outbox: Outbox; cutOff: CutOffBuild[] }> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const outbox = new Outbox(folder);
    const cutOff: CutOffBuild[] = [];
    for (const name of await readdir(folder)) {
      const entry = join(folder, name);
      const finished = await findFinished(entry);
      if (finished !== undefined) {
        outbox.#finished.set(finished.token, finished.result);
        outbox.#jobs.set(finished.token, finished.job);
        continue;
      }
      const started = await readStarted(entry);
      const log = await (started &&
        keepLog?.(started.order.token, join(entry, "files", LOG_FILENAME)));
      cutOff.push({ folder: entry, buildId: started?.buildId, log });
    }
    for (const { folder: torn } of cutOff) await removeTree(torn);
    return { outbox, cutOff };
  }

  /** Finished builds, of one job or of all, oldest token first. */
  finished(ofJob?: number): FinishedBuild[] {
    return [...this.#finished]
      .map(([token, result]) => ({ token, result, job: this.#jobs.get(token) ?? 1 }))
      .filter(({ job }) => ofJob === undefined || job === ofJob)
      .sort((a, b) => a.token - b.token);
  }

  find(token: Token): BuildResult | undefined {
    return this.#finished.get(token);
  }

  /** Where the log of a running build is to be written. */
  logPath(token: Token): string {
    return join(this.#entry(token), "files", LOG_FILENAME);
  }

  /** Remembers that a build runs, before anything of it is started. */
  async begin(order: BuildOrder, buildId: string, job = 1): Promise<void> {
    if (this.#finished.has(order.token))
      throw new Error(`build ${order.token} is finished already`);
    const entry = this.#entry(order.token);
    await removeTree(entry);
    await mkdir(join(entry, "files"), { recursive: true, mode: 0o700 });
    await writeDurably(join(entry, "order.json"), JSON.stringify({ order, buildId, job }));
    this.#jobs.set(order.token, job);
  }

  /**
   * Makes a build finished: takes the files that the result names from where they are, syncs everything,
   * then writes the result. Once this has resolved the build is never run again.
   *
   * @param paths the result's files; the log is expected at `logPath`
   * @throws what the file system says (ENOSPC), with the entry left unfinished
   */
  async commit(token: Token, result: BuildResult, paths: readonly string[]): Promise<void> {
    const entry = this.#entry(token);
    const files = join(entry, "files");
    for (const path of paths) {
      const to = join(files, basename(path));
      await move(path, to);
      await sync(to);
    }
    await sync(files);
    await writeDurably(join(entry, "result.json"), JSON.stringify({ token, result }));
    await sync(this.#folder);
    this.#finished.set(token, result);
  }

  /** Forgets a build, running or finished. Doing it twice is no error. */
  async discard(token: Token): Promise<void> {
    this.#finished.delete(token);
    this.#jobs.delete(token);
    await this.#open.close(join(this.#entry(token), "files"));
    // The result first: from then on a crash leaves an entry that `open` removes.
    await rm(join(this.#entry(token), "result.json"), { force: true });
    await removeTree(this.#entry(token));
  }

  /** Reads a part of a file of a finished build; no error is thrown, whatever was asked for. */
  async read(
    token: Token,
    filename: string,
    offset: number,
    lengthBytes: number,
  ): Promise<FilePart> {
    const result = this.#finished.get(token);
    if (result === undefined) return { missing: `build ${token} is not held here` };
    const declared =
      filename === LOG_FILENAME
        ? result.log
        : result.files.find((file) => file.filename === filename);
    if (declared === undefined) return { missing: `build ${token} has no such file` };
    if (offset > declared.sizeBytes) {
      return { missing: `the file ends at ${declared.sizeBytes} bytes` };
    }
    const wanted = Math.min(lengthBytes, declared.sizeBytes - offset);
    try {
      const path = join(this.#entry(token), "files", filename);
      const data = await this.#open.read(path, offset, wanted);
      if (data.length < wanted) return { missing: "the file cannot be read" };
      return { data, isLast: offset + wanted === declared.sizeBytes };
    } catch {
      return { missing: "the file cannot be read" };
    }
  }

  /** Nothing is read for now: closes what was open for that. */
  async rest(): Promise<void> {
    await this.#open.close();
  }

  #entry(token: Token): string {
    return join(this.#folder, String(token));
  }
}

async function findFinished(entry: string): Promise<FinishedBuild | undefined> {
  const finished = await readJson(join(entry, "result.json"), finishedSchema);
  if (finished === undefined || basename(entry) !== String(finished.token)) return undefined;
  const { files, log } = finished.result;
  for (const file of [...files, { filename: LOG_FILENAME, sizeBytes: log.sizeBytes }]) {
    const status = await lstat(join(entry, "files", file.filename)).catch(() => undefined);
    if (status?.isFile() !== true || status.size !== file.sizeBytes) return undefined;
  }
  return { ...finished, job: (await readStarted(entry))?.job ?? 1 };
}

const readStarted = (entry: string) => readJson(join(entry, "order.json"), startedSchema);

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Renames where it can; the temporary folder of a machine may be another file system. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    // Done already by an attempt that then failed: the same commit is made again.
    if (isCode(error, "ENOENT") && (await stat(to).catch(() => undefined)) !== undefined) return;
    if (!isCode(error, "EXDEV")) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
