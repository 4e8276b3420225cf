/**
 * `piw-slave --check`: what this machine can do as a slave and what it cannot, before it joins. Called by
 * tree.ts beside check-master.ts and check-indexes.ts. It leaves nothing behind but the slave's folder.
 */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
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

/** A build unpacks thousands of files. */
const FEW_INODES = 50_000;
/** What a compiler without its library's headers cannot compile. */
const SMALL_SOURCES = {
  C: '#include <stdio.h>\nint f(void) { return puts("f"); }\n',
  "C++": '#include <string>\nint f() { return (int)std::string("f").size(); }\n',
};

export async function checkMachine({ dir, pythons }: Checked): Promise<CheckRow[]> {
  const rows = await Promise.all([
    ...pythons.map(checkInterpreter),
    checkFolder(dir),
    checkCompiler("C", ["cc", "gcc", "clang"], "gcc"),
    checkCompiler("C++", ["c++", "g++", "clang++"], "g++"),
    checkProgram(
      "ldd and dpkg",
      ["dpkg"],
      ["--version"],
      "the system packages that a wheel needs cannot be told",
      ["ldd", "--version"],
    ),
    checkProc(),
  ]);
  return [...rows.flat(), ...checkUser()];
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
    // A file system that makes them as they are needed (btrfs) says that it has none.
    const hasFewInodes = disk.files > 0 && disk.ffree < FEW_INODES;
    return [
      ...(hasFewInodes
        ? [{ state: "lacks" as const, text: `${disk.ffree} inodes free in ${dir}: builds run out` }]
        : []),
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

/** The first of `commands` that compiles: with the compiler alone, its headers may be missing. */
async function checkCompiler(
  language: "C" | "C++",
  commands: readonly string[],
  debian: string,
): Promise<CheckRow[]> {
  const what = `${language} compiler`;
  const folder = await mkdtemp(join(tmpdir(), "piw-check-"));
  try {
    let complaint: string | undefined;
    for (const command of commands) {
      const done = await execa(
        command,
        [
          ...["-x", language === "C" ? "c" : "c++", "-", "-shared", "-fPIC"],
          ...["-o", join(folder, `${debian}.so`)],
        ],
        { input: SMALL_SOURCES[language], reject: false, timeout: 60_000 },
      );
      if (!done.failed) return [{ state: "ok", text: `${what} (${command})` }];
      const isThere = done.exitCode !== undefined;
      if (isThere) complaint ??= `${command} cannot compile: ${firstLine(done.stderr)}`;
    }
    const why = complaint ?? "there is none";
    return [
      {
        state: "lacks",
        text: `${what}: ${why}; packages with ${language} code cannot be built: install ${debian} and its headers (Debian: build-essential)`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function checkUser(): CheckRow[] {
  return process.getuid?.() === 0
    ? [{ state: "lacks", text: "root: builds could do anything here: use an ordinary user" }]
    : [];
}

const firstLine = (text: string) => text.trim().split("\n")[0]?.slice(0, 200) ?? "";

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
