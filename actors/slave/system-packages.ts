/**
 * Works out which system packages a wheel needs: its shared objects are unpacked, `ldd` names the libraries
 * that they load on this machine, `dpkg -S` the packages that those belong to. Called by wheel-files.ts.
 * Where a tool is missing or a wheel is odd the answer is an empty list, never a failure.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { execa } from "execa";
import { openZip } from "../../protocol/packaging/zip-archive.ts";

/** Beyond these a wheel is asked about in part: enough for the largest that are known. */
const MAX_OBJECTS = 500;
const MAX_OBJECT_BYTES = 1024 ** 3;
const TOOL_TIMEOUT_MS = 60_000;

const isSharedObject = (name: string) => /\.so(?:\.\d+)*$/.test(name);

export interface Tools {
  /** The environment of the tools, with the build's id: they look at what a build made. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
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
    const libraries = await librariesOf(objects, await realpath(folder), tools);
    return await packagesOf(libraries, tools);
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

/** Absolute paths of what the objects load, but for what the wheel brings itself. */
async function librariesOf(
  objects: readonly string[],
  folder: string,
  tools: Tools,
): Promise<string[]> {
  const output = await run("ldd", objects, tools);
  const libraries = new Set<string>();
  // `libffi.so.8 => /lib/x86_64-linux-gnu/libffi.so.8 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`
  for (const [, path] of output.matchAll(/^\s+(?:\S+ => )?(\/.*) \(0x[0-9a-f]+\)$/gm)) {
    if (path !== undefined && !path.startsWith(folder + sep)) libraries.add(path);
  }
  return [...libraries];
}

async function packagesOf(libraries: readonly string[], tools: Tools): Promise<string[]> {
  const names = new Set<string>();
  for (const path of libraries) {
    for (const spelling of await spellingsOf(path)) {
      const owners = ownersIn(await run("dpkg", ["-S", spelling], tools));
      for (const owner of owners) names.add(owner);
      if (owners.length > 0) break;
    }
  }
  return [...names].sort();
}

/** dpkg knows a file by the path in its package, which /lib being a link to /usr/lib hides. */
async function spellingsOf(path: string): Promise<Set<string>> {
  const real = await realpath(path).catch(() => path);
  const toggled = (each: string) => (each.startsWith("/usr/") ? each.slice(4) : `/usr${each}`);
  return new Set([path, toggled(path), real, toggled(real)]);
}

/** `libc6:amd64: /lib/…`, `a, b: /lib/…`; lines of diversions name no owner. */
function ownersIn(output: string): string[] {
  const owners = output
    .split("\n")
    .filter((line) => line.includes(": ") && !line.startsWith("diversion by "))
    .flatMap((line) => line.slice(0, line.indexOf(": ")).split(", "));
  return owners.map((owner) => owner.replace(/:[a-z0-9-]+$/, "")).filter((owner) => owner !== "");
}

/** What a tool printed, also when it failed for some of its arguments; empty when it is not there. */
async function run(command: string, args: readonly string[], tools: Tools): Promise<string> {
  const result = await execa(command, args, {
    env: tools.env,
    extendEnv: false,
    cwd: "/",
    stdin: "ignore",
    stderr: "ignore",
    timeout: TOOL_TIMEOUT_MS,
    killSignal: "SIGKILL",
    cancelSignal: tools.signal,
    maxBuffer: 16 * 1024 * 1024,
    reject: false,
  });
  return typeof result.stdout === "string" ? result.stdout : "";
}
