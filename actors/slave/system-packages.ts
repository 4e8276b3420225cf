/**
 * Works out which system packages a wheel needs: its shared objects are unpacked, `ldd` names the libraries
 * that they load on this machine, its package manager the packages that those belong to. Called by wheel-files.ts.
 * Where a tool is missing or a wheel is odd the answer is an empty list, never a failure.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { openZip } from "../../protocol/packaging/zip-archive.ts";
import { runCommand } from "./launch.ts";
import { findOwners } from "./package-owners.ts";
import type { Cell } from "./sandbox/cell.ts";
import type { ToolRun } from "./tool-output.ts";

/** Beyond these a wheel is asked about in part: enough for the largest that are known. */
const MAX_OBJECTS = 500;
const MAX_OBJECT_BYTES = 1024 ** 3;
const MAX_LIBRARIES = 2_000;
const LDD_TIMEOUT_MS = 60_000;
const MAX_LDD_BYTES = 16 * 1024 ** 2;

const isSharedObject = (name: string) => /\.so(?:\.\d+)*$/.test(name);

export interface Tools extends ToolRun {
  readonly env: Readonly<Record<string, string>>;
  /** In the environment too: they look at what a build made. */
  readonly buildId: string;
  /** What the build ran in; `scratchFolder` can be read there. */
  readonly cell?: Cell;
}

/** @param folder an empty one, to unpack in; the caller removes it */
export async function findSystemPackages(
  wheelPath: string,
  folder: string,
  tools: Tools,
): Promise<string[]> {
  try {
    const objects = await unpackObjects(wheelPath, folder);
    if (objects.length === 0) return [];
    const libraries = await librariesOf(objects, folder, tools);
    return await findOwners(libraries, tools);
  } catch {
    tools.signal.throwIfAborted();
    return [];
  }
}

async function unpackObjects(wheelPath: string, folder: string): Promise<string[]> {
  const zip = await openZip(wheelPath, {
    maxEntries: 50_000,
    maxUnpackedBytes: 8 * 1024 ** 3,
    maxDirectoryBytes: 32 * 1024 ** 2,
  });
  const objects: string[] = [];
  let sizeBytes = 0;
  try {
    for (const entry of zip.entries) {
      if (!isSharedObject(entry.name) || objects.length >= MAX_OBJECTS) continue;
      sizeBytes += entry.sizeBytes;
      if (sizeBytes > MAX_OBJECT_BYTES) break;
      // At its own place, since wheels that bring libraries along find them by relative paths.
      const path = join(folder, entry.name);
      if (!path.startsWith(folder + sep)) continue;
      await mkdir(dirname(path), { recursive: true });
      const file = openSync(path, "w", 0o600);
      try {
        await zip.unpack(entry, (piece) => {
          writeSync(file, piece);
        });
      } finally {
        closeSync(file);
      }
      objects.push(path);
    }
  } finally {
    await zip.close();
  }
  return objects;
}

/**
 * Absolute paths of what the objects load, but for what the wheel brings itself. ldd runs where the build ran: the
 * loader that it asks may be made to run code of a hostile object.
 */
async function librariesOf(
  objects: readonly string[],
  folder: string,
  tools: Tools,
): Promise<string[]> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  await runCommand(
    {
      argv: ["ldd", ...objects],
      cwd: folder,
      env: tools.env,
      buildId: tools.buildId,
      ...(tools.cell && { cell: tools.cell }),
    },
    { timeoutMs: LDD_TIMEOUT_MS },
    (chunk) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= MAX_LDD_BYTES) chunks.push(Buffer.from(chunk));
    },
    tools.signal,
  );
  tools.signal.throwIfAborted();
  const output = Buffer.concat(chunks).toString("utf8");
  const libraries = new Set<string>();
  // ldd may spell the folder as it is, whatever links led there.
  const own = [folder, await realpath(folder)].map((each) => each + sep);
  // `libffi.so.8 => /lib/x86_64-linux-gnu/libffi.so.8 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`
  for (const [, path] of output.matchAll(/^\s+(?:\S+ => )?(\/.*) \(0x[0-9a-f]+\)$/gm)) {
    if (path !== undefined && !own.some((each) => path.startsWith(each))) libraries.add(path);
  }
  return [...libraries].slice(0, MAX_LIBRARIES);
}
