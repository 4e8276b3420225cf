/**
 * The question before something that cannot be taken back, for piw-initdb and the tools. `--yes` answers
 * it; no answer (an empty line, the end of the input) is a no; Ctrl-C interrupts the program.
 */
import { createInterface } from "node:readline/promises";
import { ConfigurationError } from "../config/configuration-error.ts";
import type { Frame } from "./program.ts";

/** What to do where the answer was no. */
export const REFUSED = 1;

/** @throws ConfigurationError where nobody can answer: a script has to say `--yes` */
export async function confirm(
  question: string,
  { yes }: { readonly yes: boolean },
  { signal }: Pick<Frame, "signal">,
): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY)
    throw new ConfigurationError("there is no terminal to ask at: say --yes to go ahead");
  // Standard output has the outcome alone: it may be a pipe.
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C at the question goes to the terminal's reader, not to the process.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  // The reader forgets a question at the end of its input.
  const ended = new Promise<string>((resolve) => {
    terminal.once("close", () => resolve(""));
  });
  try {
    const answered = terminal.question(`${question} [y/N] `, { signal });
    const answer = await Promise.race([answered, ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
