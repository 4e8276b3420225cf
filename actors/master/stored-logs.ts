/**
 * Reads placed logs part by part. They are compressed, so a part can only be reached through all before it: the few
 * that were read last stay open where their readers stopped. Used by File Juggler, whose disk it is.
 */

import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Token } from "../../protocol/model/build.ts";
import { type LogPart, MAX_LOG_PART_BYTES } from "../../protocol/model/build-log.ts";
import { FinishedLog } from "../../protocol/model/finished-log.ts";
import { logKey } from "../../web/public-key.ts";
import type { PublicFiles } from "../../web/storage.ts";

/** Of as many readers as look at logs at a time; one more has to begin anew. */
const MAX_OPEN = 8;

export class StoredLogs {
  readonly #files: PublicFiles;
  /** By token and position, the one that was used last at the end. */
  readonly #open = new Map<string, FinishedLog>();

  constructor(files: PublicFiles) {
    this.#files = files;
  }

  /**
   * Undefined where there is no such log.
   * @throws StorageError, or what is wrong with the file
   */
  async read(token: Token, position: number): Promise<LogPart | undefined> {
    const key = `${token} ${position}`;
    const log = this.#open.get(key) ?? (await this.#begin(token));
    if (log === undefined) return undefined;
    this.#open.delete(key);
    try {
      const part = await log.read(position, MAX_LOG_PART_BYTES);
      if (part.isEnd) await log.close();
      else await this.#keep(`${token} ${part.nextPosition}`, log);
      return part;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** Closes what is open: whoever reads on begins anew. */
  async close(): Promise<void> {
    const logs = [...this.#open.values()];
    this.#open.clear();
    for (const log of logs) await log.close();
  }

  async #begin(token: Token): Promise<FinishedLog | undefined> {
    const file = await this.#files.open(logKey(token));
    if (file === undefined) return undefined;
    const unpacked = createGunzip();
    // What goes wrong is told by the iterator of the unpacked text.
    pipeline(file.read(), unpacked, () => undefined);
    return new FinishedLog(unpacked);
  }

  async #keep(key: string, log: FinishedLog): Promise<void> {
    const replaced = this.#open.get(key);
    this.#open.set(key, log);
    const oldest = [...this.#open.keys()].slice(0, -MAX_OPEN);
    for (const name of oldest) {
      const left = this.#open.get(name);
      // First out of the map: a read must not take one that is being closed.
      this.#open.delete(name);
      await left?.close();
    }
    await replaced?.close();
  }
}
