/**
 * Runs a program of this repository at a terminal (a pty that Python opens), and types something when it
 * asks `[y/N]`. What it says comes back as one text: a terminal knows no two outputs.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

const driver = `
import os, pty, sys
keys, outcome, argv = bytes.fromhex(sys.argv[1]), sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    if outcome:
        os.dup2(os.open(outcome, os.O_WRONLY | os.O_CREAT), 1)
    os.execvp(argv[0], argv)
seen, typed = b"", False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    seen += part
    if not typed and b"[y/N]" in seen:
        typed = True
        os.write(terminal, keys)
os.write(1, seen)
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

export const CTRL_C = "\u0003";
export const END_OF_INPUT = "\u0004";

/** @param outcome file that standard output goes to instead of the terminal */
export async function runAtTerminal(
  source: string,
  args: readonly string[],
  keys: string,
  outcome = "",
): Promise<{ readonly code: number | null; readonly text: string }> {
  const typed = Buffer.from(keys).toString("hex");
  const program = [process.execPath, "--import", "tsx", `${root}${source}`, ...args];
  const child = spawn("python3", ["-c", driver, typed, outcome, ...program], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", TERM: "xterm" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (part: Buffer) => {
    text += part.toString();
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  return { code, text };
}
