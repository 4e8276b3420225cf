/** Runs a tool of the system that answers in a moment, and gives what it printed. Called by package-owners.ts. */
import { execa } from "execa";

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface ToolRun {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Also when it failed for some of its arguments; empty when it is not there. Throws nothing but the signal's reason. */
export async function toolOutput(
  command: string,
  args: readonly string[],
  { env, signal }: ToolRun,
): Promise<string> {
  const result = await execa(command, args, {
    env: { ...env },
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
