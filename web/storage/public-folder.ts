/**
 * The public files of a local output folder, for reading: what the HTTP server stands on. Needs no
 * rights to write and may run in another process than the storage. A file is opened once and read
 * through that handle, so that its length, its validator and its bytes belong together even when
 * the page is replaced meanwhile.
 *
 * Stands on descriptors and callbacks rather than on FileHandle, which costs a busy server twice the time.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isPublicKey } from "../public-key.ts";
import type { ByteRange, ContentCoding, PublicFile, PublicFiles } from "./contract.ts";
import { storageErrorFrom, systemCode } from "./disk.ts";
import { VARIANTS } from "./variants.ts";

/** What says that nothing of ours is there, rather than that the disk fails. */
const absences = ["ENOENT", "ENOTDIR", "EISDIR", "ENXIO", "ELOOP"];

/** Without O_NONBLOCK a named pipe that somebody put there would hold a thread for ever. */
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;

export function openPublicFolder(outputPath: string): PublicFiles {
  return {
    async open(key) {
      return isPublicKey(key) ? findFile(join(outputPath, key)) : undefined;
    },
    async findVersion(key) {
      return isPublicKey(key) ? findVersion(join(outputPath, key)) : undefined;
    },
  };
}

function findVersion(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    fs.stat(path, (error, stats) => {
      if (error === null) resolve(stats.isFile() ? versionOf(stats) : undefined);
      else if (absences.includes(systemCode(error))) resolve(undefined);
      else reject(storageErrorFrom(error, `looking at ${path}`));
    });
  });
}

function findFile(path: string): Promise<LocalPublicFile | undefined> {
  return new Promise((resolve, reject) => {
    fs.open(path, OPEN_FLAGS, (openError, descriptor) => {
      if (openError !== null) {
        if (absences.includes(systemCode(openError))) resolve(undefined);
        else reject(storageErrorFrom(openError, `opening ${path}`));
        return;
      }
      fs.fstat(descriptor, (error, stats) => {
        if (error === null && stats.isFile()) {
          resolve(new LocalPublicFile(path, descriptor, stats));
          return;
        }
        fs.close(descriptor, () => {
          if (error === null) resolve(undefined);
          else reject(storageErrorFrom(error, `looking at ${path}`));
        });
      });
    });
  });
}

/** A replaced page is another file: the inode tells two pages of one instant and size apart. */
const versionOf = ({ size, mtimeMs, ino }: fs.Stats): string =>
  `${size.toString(36)}-${Math.round(mtimeMs * 1_000).toString(36)}-${ino.toString(36)}`;

class LocalPublicFile implements PublicFile {
  readonly #path: string;
  readonly #modifiedMs: number;
  /** Undefined once it is closed, or a stream has it. */
  #descriptor: number | undefined;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly version: string;

  constructor(path: string, descriptor: number, stats: fs.Stats) {
    this.#path = path;
    this.#modifiedMs = stats.mtimeMs;
    this.#descriptor = descriptor;
    this.sizeBytes = stats.size;
    this.modifiedAt = new Date(Math.floor(stats.mtimeMs));
    this.version = versionOf(stats);
  }

  read(range?: ByteRange): Readable {
    const fd = this.#take();
    return fs.createReadStream("", { fd, autoClose: true, start: 0, ...range });
  }

  async readInto(buffer: Uint8Array, positionBytes: number): Promise<number> {
    const descriptor = this.#open();
    let done = 0;
    while (done < buffer.length) {
      const got = await readSome(descriptor, buffer, done, positionBytes + done).catch(
        (error: unknown) => {
          throw storageErrorFrom(error, `reading ${this.#path}`);
        },
      );
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  async findCompressed(coding: ContentCoding): Promise<PublicFile | undefined> {
    const variant = VARIANTS.find(({ encoding }) => encoding === coding);
    const copy = await findFile(`${this.#path}${variant?.suffix}`);
    // The storage gives a copy the instant of its page; a double holds instants to a quarter of a microsecond.
    if (copy === undefined || Math.abs(copy.#modifiedMs - this.#modifiedMs) < 0.002) return copy;
    await copy.close();
    return undefined;
  }

  close(): Promise<void> {
    if (this.#descriptor === undefined) return Promise.resolve();
    const descriptor = this.#take();
    return new Promise((resolve, reject) => {
      fs.close(descriptor, (error) => {
        if (error === null) resolve();
        else reject(storageErrorFrom(error, `closing ${this.#path}`));
      });
    });
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error(`${this.#path} is closed`);
    return this.#descriptor;
  }

  #take(): number {
    const descriptor = this.#open();
    this.#descriptor = undefined;
    return descriptor;
  }
}

const readSome = (
  descriptor: number,
  buffer: Uint8Array,
  offset: number,
  position: number,
): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.read(descriptor, buffer, offset, buffer.length - offset, position, (error, got) => {
      if (error === null) resolve(got);
      else reject(error);
    });
  });
