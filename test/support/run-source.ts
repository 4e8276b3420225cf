/** Runs a TypeScript program of this repository as a process of its own, as a user would. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when the program has said the word on standard output; rejects when it ends before. */
  said(word: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

/** @param source path from the repository's root. No setting of the tests' own surroundings is handed on. */
export function runSource(
  source: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PIW_|VITEST)/.test(name));
  const child = spawn(process.execPath, ["--import", "tsx", `${root}${source}`, ...args], {
    cwd: options.cwd ?? root,
    env: { ...Object.fromEntries(inherited), HOME: "/nonexistent", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (part: Buffer) => {
    stdout += part.toString();
  });
  child.stderr.on("data", (part: Buffer) => {
    stderr += part.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  const said = (word: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stdout.includes(word)) {
          resolve();
        }
      };
      child.stdout.on("data", look);
      child.on("close", () => reject(new Error(`ended without saying ${word}: ${stderr}`)));
      look();
    });
  return { child, said, ended };
}
