/**
 * Runs a tool of the system that answers in a moment, and gives what it printed. Called by package-owners.ts. It runs
 * outside of any sandbox, so nothing of a build's is in its environment: in a home that a build has written to,
 * settings of a tool may name commands.
 */
import { execa } from "execa";

const SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface ToolRun {
  /** Where tools are looked for. Default: the system's folders. */
  readonly path?: string;
  readonly signal: AbortSignal;
}

/** Also when it failed for some of its arguments; empty when it is not there. Throws nothing but the signal's reason. */
export async function toolOutput(
  command: string,
  args: readonly string[],
  { signal, path = SYSTEM_PATH }: ToolRun,
): Promise<string> {
  const result = await execa(command, args, {
    env: { PATH: path, LC_ALL: "C", HOME: "/nonexistent" },
    extendEnv: false,
    cwd: "/",
    stdin: "ignore",
    stderr: "ignore",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    cancelSignal: signal,
    maxBuffer: MAX_OUTPUT_BYTES,
    reject: false,
  });
  signal.throwIfAborted();
  return typeof result.stdout === "string" ? result.stdout : "";
}
