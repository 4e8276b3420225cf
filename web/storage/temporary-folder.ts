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
    const path = join(this.#path, randomUUID());
    try {
      await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }
}
