/**
 * piw target: what wheels are built for. Over the import link, since it changes what the farm knows, as
 * piw-add does; the control link is for orders to running tasks.
 */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { findNearest } from "../../config/nearest.ts";
import {
  addTargetProgram,
  listTargetsProgram,
  skipTargetProgram,
  unskipTargetProgram,
} from "../../config/target-tools.ts";
import { askMaster, importMaster, withMaster } from "../ask-master.ts";
import { runProgram } from "../program.ts";
import { runVerb } from "../run-verb.ts";
import { readTarget } from "../target-spec.ts";
import { targetLines } from "../target-table.ts";

/** `piw target VERB …` */
export const target = (argv: readonly string[]): Promise<void> =>
  runVerb(
    {
      name: "piw target",
      usage: "list | add | skip | unskip [options]",
      about: "What wheels are built for.",
      verbs: {
        list,
        add,
        skip: (argv) => setSkip(argv, skipTargetProgram),
        unskip: (argv) => setSkip(argv, unskipTargetProgram),
      },
    },
    argv,
  );

function list(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: listTargetsProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const rows = await askMaster({ ...importMaster(values, frame), type: "TARGETS", body: {} });
        if (values.json) frame.print(JSON.stringify(rows, undefined, 2));
        else targetLines(rows).forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

function add(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: addTargetProgram,
      logLevel: "warn",
      run: async (values, [name], frame) => {
        const rank = values.rank ?? null;
        const spec = await readTarget(name, values, frame.signal);
        return withMaster(importMaster(values, frame), async (ask) => {
          const known = (await ask("TARGETS", {})).find((row) => row.name === spec.name);
          if (known !== undefined) {
            if (rank !== null) await ask("CHANGE_TARGET", { name: spec.name, skip: null, rank });
            frame.print(`${spec.name}: known already, rank ${rank ?? known.rank}`);
            return 0;
          }
          if (spec.whole === undefined)
            throw new ConfigurationError(
              `the farm does not know ${spec.name}: say what it is with --python PATH or --tags TAGS`,
            );
          const added = await ask("ADD_TARGET", { spec: spec.whole, rank });
          frame.print(`${spec.name}: added, rank ${added.rank}`);
          return 0;
        });
      },
    },
    argv,
  );
}

function setSkip(
  argv: readonly string[],
  program: typeof skipTargetProgram | typeof unskipTargetProgram,
): Promise<void> {
  return runProgram(
    {
      program,
      logLevel: "warn",
      run: async (values, [operand = ""], frame) => {
        const { name } = await readTarget(operand, {}, frame.signal);
        const reason = "reason" in values ? String(values.reason) : null;
        const changed = await askMaster({
          ...importMaster(values, frame),
          type: "CHANGE_TARGET",
          body: { name, skip: { reason }, rank: null },
        });
        if (changed.outcome === "unknown") {
          const nearest = findNearest(name, changed.known);
          throw new Error(
            `the farm knows no target ${name}${nearest === undefined ? "" : `; the nearest is ${nearest}`}`,
          );
        }
        const state = reason === null ? "built for" : "skipped";
        frame.print(`${name}: ${changed.isChanged ? "now" : "already"} ${state}`);
        return 0;
      },
    },
    argv,
  );
}
