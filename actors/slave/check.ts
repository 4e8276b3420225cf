/**
 * `piw-slave --check`: what this machine can do as a slave and what it cannot, before it joins. Called by
 * tree.ts. It changes nothing but for a file that it writes and removes in the slave's folder.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { probeInterpreter } from "./interpreter.ts";

export interface CheckRow {
  /** `fails`: the slave cannot join at all; `lacks`: it can, and some builds or limits cannot. */
  readonly state: "ok" | "lacks" | "fails";
  readonly text: string;
}

interface Checked {
  readonly dir: string;
  readonly pythons: readonly string[];
}

/** A build of a middling C extension with its tools unpacked; below it builds start to fail. */
const LITTLE_DISK_BYTES = 2 * 1024 ** 3;

export async function checkMachine({ dir, pythons }: Checked): Promise<CheckRow[]> {
  const rows = await Promise.all([
    ...pythons.map(checkInterpreter),
    checkFolder(dir),
    checkProgram(
      "C compiler",
      ["cc", "gcc", "clang"],
      ["--version"],
      "packages with C code cannot be built: install gcc (Debian: build-essential)",
    ),
    checkProgram(
      "C++ compiler",
      ["c++", "g++", "clang++"],
      ["--version"],
      "packages with C++ code cannot be built: install g++ (Debian: build-essential)",
    ),
    checkProgram(
      "ldd and dpkg",
      ["dpkg"],
      ["--version"],
      "the system packages that a wheel needs cannot be told",
      ["ldd", "--version"],
    ),
    checkProc(),
  ]);
  return rows.flat();
}

async function checkInterpreter(command: string): Promise<CheckRow[]> {
  try {
    const { executable, pipVersion, hasHeaders, target } = await probeInterpreter(command);
    const rows: CheckRow[] = [
      {
        state: "ok",
        text: `${target.implementation} ${target.pythonFullVersion}, pip ${pipVersion}, target ${target.name} (${executable})`,
      },
    ];
    if (!hasHeaders) {
      rows.push({
        state: "lacks",
        text: `headers of ${command}: extension modules cannot be built: install them (Debian: python3-dev)`,
      });
    }
    if (Number(pipVersion.split(".")[0]) < 19) {
      rows.push({
        state: "lacks",
        text: `pip ${pipVersion} of ${command} knows no build back-ends (PEP 517): upgrade it to 19 or later`,
      });
    }
    return rows;
  } catch (error) {
    return [{ state: "fails", text: error instanceof Error ? error.message : String(error) }];
  }
}

async function checkFolder(dir: string): Promise<CheckRow[]> {
  const file = join(dir, `check-${randomUUID()}`);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(file, "");
    await rm(file);
    const disk = await statfs(dir);
    const freeBytes = disk.bavail * disk.bsize;
    const free = `${(freeBytes / 1e9).toFixed(1)} GB free in ${dir}`;
    return [
      freeBytes < LITTLE_DISK_BYTES
        ? { state: "lacks", text: `${free}: larger builds will run out of disk` }
        : { state: "ok", text: free },
    ];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [
      { state: "fails", text: `${dir} cannot be written to: give --dir another folder (${why})` },
    ];
  }
}

/** The first of `commands` that answers. */
async function checkProgram(
  what: string,
  commands: readonly string[],
  args: readonly string[],
  lack: string,
  also?: readonly [string, ...string[]],
): Promise<CheckRow[]> {
  const isThere = async (command: string, given: readonly string[]) =>
    !(await execa(command, given, { reject: false, timeout: 10_000, stdio: "ignore" })).failed;
  for (const command of commands) {
    if (!(await isThere(command, args))) continue;
    if (also !== undefined && !(await isThere(also[0], also.slice(1)))) continue;
    return [{ state: "ok", text: `${what} (${command})` }];
  }
  return [{ state: "lacks", text: `${what}: ${lack}` }];
}

/** Without /proc a daemon that a build leaves behind is not found. */
async function checkProc(): Promise<CheckRow[]> {
  const isThere = await statfs("/proc").then(
    () => process.platform === "linux",
    () => false,
  );
  return isThere
    ? []
    : [{ state: "lacks", text: "/proc: what a build starts and leaves running cannot be ended" }];
}
