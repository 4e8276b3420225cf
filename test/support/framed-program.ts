/** A tiny program in the frame of all programs, run by test/system/program-frame.test.ts: its operand says what it does. */

import { type Frame, runProgram } from "../../bin/program.ts";
import { commonOptions, daemonOptions } from "../../config/common-options.ts";
import { child, defineActor, startSystem, supervisor } from "../../supervisor/index.ts";

/** A tree of one actor, which may refuse to start or crash for good. */
const actor = defineActor<Record<never, never>, string>({
  name: "does as it is told",
  init(ctx, deed) {
    if (deed === "treeFails") {
      throw new Error("no place to stand");
    }
    if (deed === "treeGivesUp") {
      ctx.run(() => Promise.reject(new Error("fell over")));
    }
    process.stdout.write("standing\n");
    return undefined;
  },
  handle: {},
  stop: () => {
    process.stdout.write("stopped\n");
  },
});

function runTree(deed: string, frame: Frame): Promise<number> {
  const intensity = { restarts: 0, withinMs: 1_000 };
  return frame.superviseTree(
    (logger, signal) =>
      startSystem({
        name: "fixture",
        root: supervisor("root", { intensity }, [child("actor", actor, deed)]),
        logger,
        signal,
      }),
    5_000,
  );
}

const deeds: Record<string, (signal: AbortSignal) => Promise<number>> = {
  succeed: () => Promise.resolve(0),
  give3: () => Promise.resolve(3),
  fail: () =>
    Promise.reject(new Error("cannot build\nthe house", { cause: new Error("no bricks") })),
  throwLater: () =>
    new Promise(() => {
      setImmediate(() => {
        throw new Error("thrown by nobody's promise");
      });
    }),
  wait: (signal) =>
    new Promise((_resolve, reject) => {
      const hold = setInterval(() => {}, 60_000);
      signal.addEventListener("abort", () => {
        clearInterval(hold);
        reject(signal.reason as Error);
      });
      process.stdout.write("waiting\n");
    }),
  leaveOpen: () => {
    setInterval(() => {}, 60_000);
    return Promise.resolve(0);
  },
};

await runProgram(
  {
    program: {
      name: "fixture",
      section: "master",
      summary: "Does one thing.",
      operand: { name: "DEED", doc: "What", variadic: false, required: true },
      options: { ...commonOptions, ...daemonOptions },
    },
    refusesRoot: true,
    run: (_values, [deed = ""], frame) => deeds[deed]?.(frame.signal) ?? runTree(deed, frame),
  },
  process.argv.slice(2),
);
