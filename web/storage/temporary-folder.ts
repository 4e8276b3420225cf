/**
 * Where half-written things lie until a rename or link makes them real: on the file system of the
 * public files, never below a name that is served. Emptied at every opening.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

export class TemporaryFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes it anew, without what a crash left in it. */
  async prepare(): Promise<void> {
    await rm(this.#path, { recursive: true, force: true });
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
  }

  /** Gives `work` a name that nobody else has, and removes what is left there afterwards. */
  async withName(work: (path: string) => Promise<void>): Promise<void> {
    await this.withNames((newName) => work(newName()));
  }

  /** The same for as many names as it asks for. */
  async withNames<T>(work: (newName: () => string) => Promise<T>): Promise<T> {
    const names: string[] = [];
    const newName = (): string => {
      const name = join(this.#path, randomUUID());
      names.push(name);
      return name;
    };
    try {
      return await work(newName);
    } finally {
      await Promise.all(names.map((name) => rm(name, { force: true })));
    }
  }
}
