/** A question at the terminal before something is done, for commands with `--yes`. */
import { createInterface } from "node:readline/promises";
import { ConfigurationError } from "../config/configuration-error.ts";
import type { Frame } from "./program.ts";

/** No answer is a no. @throws ConfigurationError where nobody can answer */
export async function confirm(question: string, frame: Pick<Frame, "signal">): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new ConfigurationError("there is no terminal to ask at: say -y to go ahead");
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C at the question goes to the terminal's reader, not to the process.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: frame.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
