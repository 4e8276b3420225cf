/**
 * Runners: what is run to build, as configured. Called by the workshop, which asks which runner an order is for
 * and what its command line is; nothing is started here. A runner is told its order in three ways that say the
 * same: words of its command line, variables of its environment, and a JSON file.
 */
import type { BuildOrder } from "../../protocol/model/build.ts";
import type { Interpreter } from "./interpreter.ts";
import { pipCommand } from "./runner-pip.ts";
import { pythonCommand } from "./runner-python.ts";
import { shellCommand } from "./runner-shell.ts";

export interface Runner {
  readonly name: string;
  readonly run:
    | { readonly kind: "pip"; readonly arguments: readonly string[] }
    | { readonly kind: "shell"; readonly command: string }
    | {
        readonly kind: "python";
        readonly module: string;
        readonly function: string;
        /** Runs the function; undefined: the interpreter that is built for. */
        readonly python: string | undefined;
      };
  /** `PACKAGE` or `TARGET/PACKAGE`, with `*` for any characters. */
  readonly match: readonly string[];
  /** Folders with modules or programs of its own. */
  readonly path: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

export interface Runners {
  /** Tried in this order. */
  readonly list: readonly Runner[];
  /** For what none of them matches. */
  readonly fallback: Runner;
}

export function chooseRunner(
  { list, fallback }: Runners,
  order: Pick<BuildOrder, "package" | "target">,
): Runner {
  return list.find((runner) => runner.match.some((each) => matches(each, order))) ?? fallback;
}

function matches(pattern: string, order: Pick<BuildOrder, "package" | "target">): boolean {
  const slash = pattern.indexOf("/");
  const [target, name] =
    slash < 0 ? ["*", pattern] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
  // Patterns may be written in any spelling of the name; the order has the canonical one.
  return (
    fits(target, order.target) && fits(name.toLowerCase().replace(/[-_.]+/g, "-"), order.package)
  );
}

/** Without backtracking, whatever the pattern: each part at its first place after the one before. */
function fits(pattern: string, text: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  if (last === undefined) return first === text;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - at >= last.length && text.endsWith(last);
}

/** One build as a runner is told of it. */
export interface RunnerOrder {
  readonly order: BuildOrder;
  readonly interpreter: Interpreter;
  readonly sdistPath: string;
  readonly outFolder: string;
  /** The JSON file, and the pipe that statuses are written to. */
  readonly orderPath: string;
  readonly statusPath: string;
  readonly upstreamIndex: string;
  readonly farmIndex: string | null;
}

export interface RunnerCommand {
  readonly argv: [string, ...string[]];
  /** Beside the environment of all builds. */
  readonly env: Readonly<Record<string, string>>;
}

export function commandOf(
  runner: Runner,
  told: RunnerOrder,
  env: Readonly<Record<string, string>>,
): RunnerCommand {
  switch (runner.run.kind) {
    case "pip":
      return {
        argv: pipCommand({
          interpreter: told.interpreter,
          package: told.order.package,
          sdistPath: told.sdistPath,
          outFolder: told.outFolder,
          upstreamIndex: told.upstreamIndex,
          farmIndex: told.farmIndex,
          arguments: runner.run.arguments,
        }),
        env: {},
      };
    case "shell":
      return shellCommand(runner.run.command, runner, told, env);
    case "python":
      return pythonCommand(runner.run, runner, told);
  }
}
