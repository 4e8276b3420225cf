/**
 * The runner `shell!COMMAND`: a command of the system's shell in which `%PACKAGE`, `%VERSION`, `%OUT` and the other
 * words of the order stand for their values. Called by runner.ts.
 */
import { delimiter } from "node:path";
import type { Runner, RunnerCommand, RunnerOrder } from "./runner.ts";
import { orderVariables, orderWords } from "./runner-order.ts";

export function shellCommand(
  command: string,
  runner: Runner,
  told: RunnerOrder,
  env: Readonly<Record<string, string>>,
): RunnerCommand {
  const folders = [...runner.path, env["PATH"] ?? ""].filter((each) => each !== "");
  return {
    argv: ["/bin/sh", "-c", fillIn(command, orderWords(told))],
    env: { ...orderVariables(runner, told), PATH: folders.join(delimiter) },
  };
}

/**
 * Puts values in the place of `%WORD`, each quoted as the place where it stands needs it, so that it is one word
 * and never code, whatever is in it. What is no word of the order stays as it is (`date +%Y`, `${name%%.*}`).
 */
export function fillIn(command: string, words: Readonly<Record<string, string>>): string {
  let text = "";
  let quote: "" | "'" | '"' = "";
  for (let at = 0; at < command.length; at += 1) {
    const character = command[at] ?? "";
    if (character === "%") {
      const name = /^[A-Z_]+/.exec(command.slice(at + 1, at + 40))?.[0] ?? "";
      const value = Object.hasOwn(words, name) ? words[name] : undefined;
      if (value !== undefined) {
        text += quoted(value, quote);
        at += name.length;
        continue;
      }
    } else if (character === "\\" && quote !== "'") {
      text += character + (command[at + 1] ?? "");
      at += 1;
      continue;
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && (character === "'" || character === '"')) {
      quote = character;
    }
    text += character;
  }
  return text;
}

function quoted(value: string, quote: "" | "'" | '"'): string {
  const plain = value.replaceAll("\0", "");
  if (quote === '"') return plain.replace(/["$`\\]/g, "\\$&");
  const inner = plain.replaceAll("'", "'\\''");
  return quote === "'" ? inner : `'${inner}'`;
}
