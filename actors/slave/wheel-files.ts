/**
 * Looks at what a build left in its output folder: the wheel of the package and version that was ordered,
 * readable, for this target, and nothing else. Called by build.ts. The master checks all of it again, since
 * it does not trust a slave; here it is done so that a bad wheel is reported with its log.
 */
import { lstat, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type BuildOrder,
  type BuiltFile,
  plainFilenameSchema,
} from "../../protocol/model/build.ts";
import { covers } from "../../protocol/packaging/tags.ts";
import { compareVersions, parseVersion } from "../../protocol/packaging/version.ts";
import { inspectWheel, WheelError } from "../../protocol/packaging/wheel-archive.ts";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import { suspicionOf } from "../../protocol/packaging/wheel-suspicion.ts";
import { hashOf } from "./build-log.ts";
import { withBuildTag } from "./build-tag.ts";
import type { Interpreter } from "./interpreter.ts";
import { findSystemPackages, type Tools } from "./system-packages.ts";

/** The build ended well and what it made cannot be used. The message is one line for people. */
export class BadWheelError extends Error {
  override readonly name = "BadWheelError";
}

export interface WheelFile {
  readonly path: string;
  readonly file: BuiltFile;
}

export interface Collection {
  readonly order: BuildOrder;
  readonly interpreter: Interpreter;
  readonly outFolder: string;
  /** An empty folder for unpacking. */
  readonly scratchFolder: string;
  readonly tools: Tools;
  /** A line for the log. */
  readonly note: (line: string) => void;
}

/** @throws BadWheelError; what the file system says */
export async function collectWheels(collection: Collection): Promise<WheelFile[]> {
  const { order, interpreter, outFolder, tools } = collection;
  const names = (await readdir(outFolder)).filter((name) => name.endsWith(".whl")).sort();
  if (names.length === 0) throw new BadWheelError("the build ended well but left no wheel");
  if (names.length > 10) throw new BadWheelError(`the build left ${names.length} wheels`);
  const wheels: WheelFile[] = [];
  for (const [index, name] of names.entries()) {
    const built = join(outFolder, name);
    const suspicion = await checkWheel(built, name, order, interpreter, tools.signal);
    if (suspicion !== null) collection.note(`Suspicious: ${name}: ${suspicion}`);
    const path = await tagged(built, collection);
    const filename = basename(path);
    const scratch = join(collection.scratchFolder, String(index));
    wheels.push({
      path,
      file: {
        filename,
        sizeBytes: (await lstat(path)).size,
        sha256: await hashOf(path),
        aptDependencies: (await findSystemPackages(path, scratch, tools)).slice(0, 1_000),
      },
    });
  }
  return wheels;
}

/** What is odd about it, in words; null when nothing is. */
async function checkWheel(
  path: string,
  name: string,
  order: BuildOrder,
  interpreter: Interpreter,
  signal: AbortSignal,
): Promise<string | null> {
  const parsed = parseWheelFilename(name);
  if (parsed === undefined || !plainFilenameSchema.safeParse(name).success) {
    throw new BadWheelError(`${JSON.stringify(name)} is no wheel file name`);
  }
  if (parsed.name !== order.package) {
    throw new BadWheelError(`${name} is a wheel of ${parsed.name}, not of ${order.package}`);
  }
  if (
    parseVersion(order.version) === undefined ||
    compareVersions(parsed.version, order.version) !== 0
  ) {
    throw new BadWheelError(
      `${name} is a wheel of version ${parsed.version}, not of ${order.version}`,
    );
  }
  if (!covers(parsed.tags, interpreter.target.tags)) {
    throw new BadWheelError(`${name} cannot be installed by the interpreter that built it`);
  }
  // A link would hand over whatever of this machine it points at.
  if (!(await lstat(path)).isFile()) throw new BadWheelError(`${name} is no regular file`);
  try {
    return suspicionOf(await inspectWheel(path, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    const isItsFault = error instanceof WheelError && error.code !== "unreadable";
    if (isItsFault) throw new BadWheelError(`${name}: ${error.message}`);
    throw error;
  }
}

async function tagged(path: string, { order, interpreter, tools }: Collection): Promise<string> {
  if (order.buildTag === null) return path;
  try {
    return await withBuildTag(path, order.buildTag, interpreter.executable, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    throw new BadWheelError(error instanceof Error ? error.message : String(error));
  }
}
