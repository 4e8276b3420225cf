/** A build's order as a runner reads it: variables, and the JSON file that says the same and more. Called by the runners. */
import { writeFile } from "node:fs/promises";
import type { Runner, RunnerOrder } from "./runner.ts";

/** By the word that a `shell!` command may use for it; the variable is `WHEELWRIGHT_` and that word. */
export function orderWords(told: RunnerOrder): Readonly<Record<string, string>> {
  const { order, interpreter } = told;
  return {
    ID: String(order.token),
    PACKAGE: order.package,
    VERSION: order.version,
    TARGET: order.target,
    ABI: interpreter.target.abiTag,
    PYTHON: interpreter.executable,
    SDIST: told.sdistPath,
    OUT: told.outFolder,
    INDEX: told.upstreamIndex,
    FARM_INDEX: told.farmIndex ?? "",
    ORDER: told.orderPath,
    STATUS: told.statusPath,
  };
}

export function orderVariables(runner: Runner, told: RunnerOrder): Record<string, string> {
  const variables: Record<string, string> = { WHEELWRIGHT_RUNNER: runner.name };
  for (const [word, value] of Object.entries(orderWords(told))) {
    variables[`WHEELWRIGHT_${word}`] = value;
  }
  // `print-dir = …` is WHEELWRIGHT_SETTING_PRINT_DIR. A NUL would end the variable early, or the start.
  for (const [key, value] of Object.entries(runner.settings)) {
    const name = key.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
    variables[`WHEELWRIGHT_SETTING_${name}`] = value.replaceAll("\0", "");
  }
  return variables;
}

/** Snake case, for the language of those who read it. */
export async function writeOrder(runner: Runner, told: RunnerOrder): Promise<void> {
  const { order, interpreter } = told;
  const message = {
    id: order.token,
    package: order.package,
    version: order.version,
    target: order.target,
    abi: interpreter.target.abiTag,
    python: interpreter.executable,
    python_version: interpreter.target.pythonFullVersion,
    build_tag: order.buildTag,
    sdist: {
      path: told.sdistPath,
      filename: order.sdist.filename,
      sha256: order.sdist.sha256,
      url: order.sdist.url,
    },
    out: told.outFolder,
    index: told.upstreamIndex,
    farm_index: told.farmIndex,
    status: told.statusPath,
    runner: runner.name,
    settings: runner.settings,
  };
  await writeFile(told.orderPath, `${JSON.stringify(message, null, 2)}\n`, { mode: 0o600 });
}
