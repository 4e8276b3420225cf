/**
 * Where public names lie below the output folder, and the folders around them: made when something is to go
 * in, taken away when nothing is left, and synced, so that a power cut does not undo what was told of.
 */
import { chmod, mkdir, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isPublicKey } from "../public-key.ts";
import { StorageError } from "./contract.ts";
import { syncFolder, systemCode } from "./disk.ts";

/** How often a folder is made again when a removal takes it away in between. */
const ATTEMPTS = 5;

export class PublicPlaces {
  readonly #output: string;

  constructor(output: string) {
    this.#output = output;
  }

  /** @throws StorageError `bad-name` */
  of(key: string): string {
    if (isPublicKey(key)) return join(this.#output, key);
    throw new StorageError("bad-name", `not a public name: ${JSON.stringify(key.slice(0, 300))}`);
  }

  /** Does something that puts an entry into the folder of a key, then makes the entry durable. */
  async putInto(key: string, work: () => Promise<void>): Promise<void> {
    const folder = dirname(this.of(key));
    await this.put(key, async () => {
      await work();
      await syncFolder(folder);
    });
  }

  /** The same, and the folder is still to be synced. */
  async put(key: string, work: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (systemCode(error) !== "ENOENT" || attempt === ATTEMPTS) throw error;
        await this.#makeFolders(key);
      }
    }
  }

  /** Goes up as far as folders are empty, and syncs the first that is not. */
  async removeEmptyFolders(key: string): Promise<void> {
    let folder = dirname(this.of(key));
    for (; folder !== this.#output; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        const isGone = ["ENOENT", "ENOTDIR"].includes(systemCode(error));
        if (!isGone && !["ENOTEMPTY", "EEXIST"].includes(systemCode(error))) throw error;
        if (!isGone && (await this.#isSynced(folder))) return;
      }
    }
    await syncFolder(folder);
  }

  /** False where somebody else has emptied it meanwhile, and taken it away. */
  async #isSynced(folder: string): Promise<boolean> {
    try {
      await syncFolder(folder);
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    }
  }

  /**
   * Folders are readable by the web server's user whatever the umask of this process. One that is
   * there keeps the mode that its owner gave it.
   */
  async #makeFolders(key: string): Promise<void> {
    let folder = this.#output;
    for (const segment of key.split("/").slice(0, -1)) {
      folder = join(folder, segment);
      try {
        await mkdir(folder);
      } catch (error) {
        if (systemCode(error) === "EEXIST") continue;
        throw error;
      }
      await chmod(folder, 0o755);
      await syncFolder(dirname(folder));
    }
  }
}

/** Takes a name away; false where nothing has it. */
export async function isUnlinked(place: string): Promise<boolean> {
  try {
    await unlink(place);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return false;
    throw error;
  }
}
