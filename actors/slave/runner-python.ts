/**
 * The runner `python!MODULE:FUNCTION`: calls `function(message, set_status, settings)` with the order, a callback
 * that it may use as often as it likes, and its section's settings. Called by runner.ts.
 */
import { delimiter } from "node:path";
import type { Runner, RunnerCommand, RunnerOrder } from "./runner.ts";
import { orderVariables } from "./runner-order.ts";

/**
 * An exception that nobody expected is said to be a failure here, with its name: the exit code alone would leave
 * people with the log. For Python 3 of any version.
 */
const SCRIPT = `
import importlib, json, math, os, sys, traceback

def set_status(status, text="", needs=(), after=None):
    words = str(status).strip().split() or ["Building"]
    if needs:
        text = "needs " + " ".join("".join(str(need).split()) for need in needs)
    elif after is not None:
        text = "for %ds %s" % (math.ceil(after), text)
    line = " ".join(["-".join(words)] + str(text).split())
    with open(os.environ["WHEELWRIGHT_STATUS"], "wb", buffering=0) as pipe:
        # One write of at most a pipe's atomic size, so that lines of several processes stay apart.
        pipe.write(line.encode("utf-8", "replace")[:2000] + b"\\n")

def main():
    with open(os.environ["WHEELWRIGHT_ORDER"], encoding="utf-8") as file:
        message = json.load(file)
    try:
        function = importlib.import_module(sys.argv[1])
        for name in sys.argv[2].split("."):
            function = getattr(function, name)
        function(message, set_status, message["settings"])
    except Exception as error:
        traceback.print_exc()
        set_status("Failed", "%s: %s" % (type(error).__name__, error))
        sys.exit(1)

sys.path[:1] = [folder for folder in os.environ.get("WHEELWRIGHT_PATH", "").split(os.pathsep) if folder]
main()
`;

export function pythonCommand(
  run: { readonly module: string; readonly function: string; readonly python: string | undefined },
  runner: Runner,
  told: RunnerOrder,
): RunnerCommand {
  return {
    argv: [run.python ?? told.interpreter.executable, "-c", SCRIPT, run.module, run.function],
    env: {
      ...orderVariables(runner, told),
      WHEELWRIGHT_PATH: runner.path.join(delimiter),
    },
  };
}
