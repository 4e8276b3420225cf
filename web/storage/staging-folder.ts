/**
 * Files that are arriving: `staging/<token>/<filename>`. Of one file only one opening is alive: a
 * second one, a commit or a clearing closes the first, so that what a fenced transfer still writes
 * is refused.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isPublicKey } from "../public-key.ts";
import { type StagedBuild, StorageError } from "./contract.ts";
import { findStat, namesIn } from "./disk.ts";
import { LocalStagedFile } from "./staged-file.ts";

const isToken = (token: number): boolean => Number.isSafeInteger(token) && token > 0;

export class StagingFolder {
  readonly #path: string;
  readonly #open = new Map<string, LocalStagedFile>();

  constructor(path: string) {
    this.#path = path;
  }

  async prepare(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
  }

  /** @throws StorageError `bad-name`: no token, or a name that is not plain. Nothing is touched. */
  pathOf(token: number, filename: string): string {
    if (!isPublicKey(filename) || filename.includes("/")) {
      const shown = JSON.stringify(filename.slice(0, 300));
      throw new StorageError("bad-name", `not a plain file name: ${shown}`);
    }
    return join(this.#folderOf(token), filename);
  }

  async open(token: number, filename: string): Promise<LocalStagedFile> {
    const path = this.pathOf(token, filename);
    await this.close(token, filename);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await LocalStagedFile.open(path);
    this.#open.set(path, file);
    return file;
  }

  /** Waits for the append in hand; later ones are refused. */
  async close(token: number, filename: string): Promise<void> {
    await this.#close(this.pathOf(token, filename));
  }

  /** Closes a file for good. Its hash where that ran along with the bytes; else it has to be read. */
  async finish(token: number, filename: string): Promise<string | undefined> {
    const path = this.pathOf(token, filename);
    const file = this.#open.get(path);
    this.#open.delete(path);
    return file?.finish();
  }

  async clear(token: number): Promise<void> {
    const folder = this.#folderOf(token);
    for (const path of [...this.#open.keys()].filter((each) => dirname(each) === folder)) {
      await this.#close(path);
    }
    await rm(folder, { recursive: true, force: true });
  }

  async list(): Promise<readonly StagedBuild[]> {
    const builds: StagedBuild[] = [];
    for (const name of await readdir(this.#path)) {
      const token = Number(name);
      if (isToken(token)) builds.push(await this.#describe(token));
    }
    return builds;
  }

  async #describe(token: number): Promise<StagedBuild> {
    const folder = this.#folderOf(token);
    let changedAtMs = (await findStat(folder))?.mtimeMs ?? 0;
    let sizeBytes = 0;
    for (const filename of await namesIn(folder)) {
      const found = await findStat(join(folder, filename));
      changedAtMs = Math.max(changedAtMs, found?.mtimeMs ?? 0);
      sizeBytes += found?.size ?? 0;
    }
    return { token, idleMs: Math.max(0, Date.now() - changedAtMs), sizeBytes };
  }

  #folderOf(token: number): string {
    if (!isToken(token)) throw new StorageError("bad-name", `not a token: ${String(token)}`);
    return join(this.#path, String(token));
  }

  async #close(path: string): Promise<void> {
    const file = this.#open.get(path);
    this.#open.delete(path);
    await file?.close();
  }
}
