/** piw slaves: which slaves there are, and what a person has them do. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { findNearest } from "../../config/nearest.ts";
import type { Values } from "../../config/option.ts";
import {
  killSlavesProgram,
  listSlavesProgram,
  skipBuildsProgram,
  sleepSlavesProgram,
  wakeSlavesProgram,
} from "../../config/slaves-tools.ts";
import { taskMatcher } from "../../config/task-pattern.ts";
import type { SlaveRow, SlavesAsked, Steered, Steering } from "../../protocol/model/steering.ts";
import { askMaster, withMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { orderedBy } from "../ordered-by.ts";
import { runProgram } from "../program.ts";
import { runVerb } from "../run-verb.ts";
import { slaveLines } from "../slave-table.ts";
import { masterOf } from "./control.ts";

const programs = {
  kill: killSlavesProgram,
  sleep: sleepSlavesProgram,
  wake: wakeSlavesProgram,
  skip: skipBuildsProgram,
} as const;

/** `piw slaves VERB …` */
export const slaves = (argv: readonly string[]): Promise<void> =>
  runVerb(
    {
      name: "piw slaves",
      usage: "list | kill | sleep | wake | skip [options] [LABEL…]",
      about: "The slaves of a running master.",
      verbs: {
        list,
        kill: (words) => steer("kill", words),
        sleep: (words) => steer("sleep", words),
        wake: (words) => steer("wake", words),
        skip: (words) => steer("skip", words),
      },
    },
    argv,
  );

function list(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: listSlavesProgram,
      logLevel: "warn",
      run: async (values, labels, frame) => {
        const asked = { ...masterOf(values, frame), type: "SLAVES", body: {} } as const;
        const all = (await askMaster(asked)).slaves;
        const isMeant = taskMatcher(labels);
        const rows = labels.length === 0 ? all : all.filter((row) => namesOf(row).some(isMeant));
        if (values.json) frame.print(JSON.stringify(rows, undefined, 2));
        else if (rows.length === 0 && all.length > 0) throw unknownLabel(labels.join(" "), all);
        else slaveLines(rows).forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

/** Its label, and that of all jobs of its process. */
const namesOf = ({ label }: SlaveRow): string[] => [label, label.replace(/#[0-9]+$/, "")];

function steer(action: Steering, argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: programs[action],
      logLevel: "warn",
      run: async (values, labels, frame) => {
        const meant = slavesMeant(labels, values);
        const question = questionOf(action, labels, values);
        if (question !== undefined && !(await confirm(question, { yes: values.yes }, frame))) {
          frame.print("Nothing was done.");
          return REFUSED;
        }
        const by = orderedBy(programs[action].name);
        return withMaster(masterOf(values, frame), async (ask) => {
          const all: Steered[] = [];
          try {
            for (const one of meant) {
              const { slaves: steered } = await ask("STEER", { slaves: one, action, by });
              if (steered.length === 0) throw nobody(one, (await ask("SLAVES", {})).slaves);
              all.push(...steered);
              if (!values.json)
                for (const { id, label, what } of steered)
                  frame.print(`${harmless(label)} (${id}): ${harmless(what)}`);
            }
          } finally {
            // Also of those that came before a wrong one.
            if (values.json && all.length > 0) frame.print(JSON.stringify(all, undefined, 2));
          }
          return all.some(({ isDone }) => isDone) ? 0 : 1;
        });
      },
    },
    argv,
  );
}

type SteerValues = Values<(typeof killSlavesProgram)["options"]>;

/** @throws ConfigurationError where nobody is named, or in two ways at once */
function slavesMeant(labels: readonly string[], { all, id }: SteerValues): SlavesAsked[] {
  const ways = Number(labels.length > 0) + Number(all) + Number(id !== undefined);
  if (ways !== 1)
    throw new ConfigurationError("say which slaves: their labels, or --id N, or --all");
  if (id !== undefined) return [{ id }];
  return all ? [{ label: "*" }] : labels.map((label) => ({ label }));
}

/** Undefined for what can be taken back, or concerns but those that were named. */
function questionOf(
  action: Steering,
  labels: readonly string[],
  { all, id }: SteerValues,
): string | undefined {
  const who = all ? "all slaves" : labels.length > 0 ? labels.join(", ") : `slave ${id}`;
  if (action === "kill") return `Kill ${harmless(who)}? What they build now is lost.`;
  if (action === "skip" && all) return "Have all slaves drop what they build now?";
  return action === "sleep" && all ? "Put all slaves to sleep?" : undefined;
}

const nobody = (asked: SlavesAsked, all: readonly SlaveRow[]): Error =>
  "id" in asked
    ? new Error(`no slave has the number ${asked.id} (piw slaves list shows them)`)
    : unknownLabel(asked.label, all);

function unknownLabel(label: string, all: readonly SlaveRow[]): Error {
  const nearest = findNearest(label, new Set(all.flatMap(namesOf)));
  const hint = nearest === undefined ? "" : `; the nearest is ${harmless(nearest)}`;
  return new Error(`the master knows no slave ${harmless(label)}${hint}`);
}
