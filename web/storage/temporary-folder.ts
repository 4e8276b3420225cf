/**
 * Where half-written things lie until a rename or link makes them real: on the file system of the
 * public files, never below a name that is served. Emptied at every opening.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

export class TemporaryFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes it anew, without what a crash left in it. */
  async prepare(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  /** Gives `work` a name that nobody else has, and removes what is left there afterwards. */
  async withName(work: (path: string) => Promise<void>): Promise<void> {
    const path = this.#newName();
    try {
      await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /**
   * Gives `work` as many names as it asks for. It leaves nothing there itself, by renaming mostly; only where it
   * fails is looked for what is left.
   */
  async withNames<T>(work: (newName: () => string) => Promise<T>): Promise<T> {
    const names: string[] = [];
    try {
      return await work(() => {
        const name = this.#newName();
        names.push(name);
        return name;
      });
    } catch (error) {
      await Promise.all(names.map((name) => rm(name, { force: true })));
      throw error;
    }
  }

  #newName(): string {
    return join(this.path, randomUUID());
  }
}
