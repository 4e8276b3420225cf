/**
 * The files that piw-import offers: read once for their size and hash, then held open, so that what is sent
 * is what was read, and what is removed at the end is no other file that took the name meanwhile.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, open, unlink } from "node:fs/promises";
import { basename } from "node:path";
import { ConfigurationError } from "../config/configuration-error.ts";
import { harmless } from "../config/log-line.ts";
import { type BuiltFile, plainFilenameSchema } from "../protocol/model/build.ts";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { canonicalVersion, compareVersions } from "../protocol/packaging/version.ts";
import { parseWheelFilename } from "../protocol/packaging/wheel-filename.ts";

/** As many as one import may have. */
const MAX_WHEELS = 100;
const STEP_BYTES = 1024 * 1024;

export interface Subject {
  readonly package: string;
  readonly version: string;
}

/** What the options say that the wheels are. */
interface Expected {
  readonly package?: string | undefined;
  readonly "package-version"?: string | undefined;
}

/**
 * What the wheels' names say, all the same.
 * @throws ConfigurationError naming the file that does not fit
 */
export function subjectOf(paths: readonly string[], wanted: Expected): Subject {
  if (paths.length > MAX_WHEELS)
    throw new ConfigurationError(`one import has at most ${MAX_WHEELS} wheels`);
  const seen = new Map<string, string>();
  let subject = expected(wanted);
  for (const path of paths) {
    const shown = harmless(path);
    const filename = basename(path);
    const wheel = parseWheelFilename(filename);
    if (wheel === undefined || !plainFilenameSchema.safeParse(filename).success)
      throw new ConfigurationError(
        `${shown}: no wheel file name, which is name-version(-build)-python-abi-platform.whl`,
      );
    const other = seen.get(filename);
    if (other !== undefined)
      throw new ConfigurationError(`${shown}: ${harmless(other)} has the same name`);
    seen.set(filename, path);
    const name = subject.package ?? wheel.name;
    const version = subject.version ?? wheel.version;
    if (wheel.name !== name)
      throw new ConfigurationError(`${shown}: a wheel of ${wheel.name}, not of ${name}`);
    if (compareVersions(wheel.version, version) !== 0)
      throw new ConfigurationError(`${shown}: version ${wheel.version}, not ${version}`);
    subject = { package: name, version };
  }
  return { package: subject.package ?? "", version: subject.version ?? "" };
}

function expected({ package: name, "package-version": text }: Expected): Partial<Subject> {
  const version = text === undefined ? undefined : canonicalVersion(text);
  if (text !== undefined && version === undefined)
    throw new ConfigurationError(`--package-version: ${harmless(text)} is no version (PEP 440)`);
  return {
    ...(name !== undefined && { package: canonicalName(name) }),
    ...(version !== undefined && { version }),
  };
}

/** A file that is held open for the master. */
export class OfferedFile {
  readonly path: string;
  readonly facts: BuiltFile;
  readonly #handle: FileHandle;

  private constructor(path: string, facts: BuiltFile, handle: FileHandle) {
    this.path = path;
    this.facts = facts;
    this.#handle = handle;
  }

  /** @throws Error that names the path, for what cannot be read or is no ordinary file */
  static async open(path: string, filename: string, signal: AbortSignal): Promise<OfferedFile> {
    // A named pipe would wait here for its writer, deaf to signals.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    const handle = await open(path, flags).catch((cause: unknown) => {
      throw new Error(`${harmless(path)} cannot be read`, { cause });
    });
    try {
      if (!(await handle.stat()).isFile()) throw new Error("it is no ordinary file");
      const hash = createHash("sha256");
      const buffer = Buffer.allocUnsafe(STEP_BYTES);
      let sizeBytes = 0;
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, sizeBytes);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        sizeBytes += bytesRead;
      }
      if (sizeBytes === 0) throw new Error("it is empty");
      const facts = { filename, sizeBytes, sha256: hash.digest("hex"), aptDependencies: [] };
      return new OfferedFile(path, facts, handle);
    } catch (cause) {
      await handle.close();
      signal.throwIfAborted();
      throw new Error(`${harmless(path)} cannot be read`, { cause });
    }
  }

  /** @throws Error where it has become shorter */
  async read(offset: number, lengthBytes: number): Promise<Buffer<ArrayBuffer>> {
    const buffer = Buffer.alloc(lengthBytes);
    let done = 0;
    while (done < lengthBytes) {
      const { bytesRead } = await this.#handle.read(
        buffer,
        done,
        lengthBytes - done,
        offset + done,
      );
      if (bytesRead === 0) throw new Error("it was cut short while it was read");
      done += bytesRead;
    }
    return buffer;
  }

  /** Removes the name, where it is still that of the file that was read. */
  async remove(): Promise<void> {
    const [held, named] = await Promise.all([this.#handle.stat(), lstat(this.path)]);
    if (!named.isSymbolicLink() && (named.ino !== held.ino || named.dev !== held.dev))
      throw new Error("another file has its name by now");
    await unlink(this.path);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
