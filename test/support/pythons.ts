/** The Pythons of this machine whose pip is to be tested, from 3.9 on, each with the pip that came with it. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface PipOf {
  readonly python: string;
  /** `3.13` */
  readonly pythonVersion: string;
  /** `[24, 2]` */
  readonly pip: readonly [number, number];
}

/** One per version of Python, oldest first; those that have no pip are left out. */
export async function findPips(): Promise<PipOf[]> {
  const folder = join(homedir(), ".pyenv", "versions");
  const names = ((): string[] => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  })();
  const candidates = [
    ...names.map((name) => join(folder, name, "bin", "python3")),
    ...[9, 10, 11, 12, 13, 14].map((minor) => `python3.${minor}`),
    "python3",
  ];
  const found = new Map<string, PipOf>();
  for (const python of candidates) {
    const pip = await pipOf(python);
    if (pip !== undefined && !found.has(pip.pythonVersion)) found.set(pip.pythonVersion, pip);
  }
  const minor = ({ pythonVersion }: PipOf): number => Number(pythonVersion.slice(2));
  return [...found.values()].filter((each) => minor(each) >= 9).sort((a, b) => minor(a) - minor(b));
}

async function pipOf(python: string): Promise<PipOf | undefined> {
  try {
    const { stdout } = await run(python, ["-m", "pip", "--version"], { env: pipEnvironment() });
    const match = /^pip (\d+)\.(\d+).*\(python (3\.\d+)\)/.exec(stdout);
    if (match === null) return undefined;
    return {
      python,
      pythonVersion: match[3] ?? "",
      pip: [Number(match[1]), Number(match[2])],
    };
  } catch {
    return undefined;
  }
}

/** Without this machine's own settings of pip. */
export function pipEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("PIP_"));
  return {
    ...Object.fromEntries(others),
    PIP_CONFIG_FILE: "/dev/null",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_CACHE_DIR: "1",
    PIP_NO_INPUT: "1",
    PIP_RETRIES: "1",
  };
}
