/** piw-rebuild: has pages of the site written again, one or all of a kind. */
import { setTimeout as delay } from "node:timers/promises";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { findNearest } from "../../config/nearest.ts";
import { rebuildProgram } from "../../config/package-tools.ts";
import type { ImportQuestions } from "../../protocol/links/import.ts";
import type { SignedStep } from "../../protocol/model/provenance.ts";
import { type Ask, importMaster, withMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { type Frame, runProgram } from "../program.ts";
import { openProgress } from "../progress.ts";
import { counted, lookUpAll, readSubjects, unknownLine } from "../subjects.ts";

const kinds = { home: "home", search: "search", project: "project", index: "simple" } as const;
type What = keyof typeof kinds;

/** The Secretary writes some hundred pages meanwhile. */
const FULL_PAUSE_MS = 500;

export function rebuild(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: rebuildProgram,
      logLevel: "warn",
      run: (values, operands, frame) => {
        if (operands[0] === "provenance") return signAll(operands.slice(1), values, frame);
        const { what, name } = readWhat(operands);
        const after = values.after ?? "";
        if (after !== "" && (name !== undefined || !isPerPackage(what)))
          throw new ConfigurationError("--after goes with project or index without a PACKAGE");
        return withMaster(importMaster(values, frame), async (ask) => {
          if (!isPerPackage(what)) {
            await ask("REBUILD", { kind: kinds[what] });
            frame.print(`${what}: will be written`);
            return 0;
          }
          if (name !== undefined) return rebuildOne(ask, what, name, frame);
          const question = `Write the ${what} pages of all packages again${after === "" ? "" : ` after ${harmless(after)}`}?`;
          if (!(await confirm(question, { yes: values.yes }, frame))) {
            frame.print("Nothing was asked for.");
            return REFUSED;
          }
          return rebuildAll(ask, what, after, frame);
        });
      },
    },
    argv,
  );
}

/** Wheels that were published before there was a key, or while signing failed. What has provenance keeps it. */
function signAll(
  [name, ...more]: readonly string[],
  values: Parameters<typeof importMaster>[0] & { readonly after: string | undefined },
  frame: Frame,
): Promise<number> {
  if (more.length > 0) throw new ConfigurationError("name one package, or none for all of them");
  if (values.after !== undefined)
    throw new ConfigurationError("--after goes with project or index: what is signed is not again");
  return withMaster(importMaster(values, frame), async (ask) => {
    const progress = openProgress();
    let [signed, left] = [0, 0];
    try {
      for (let after: number | null = 0; after !== null; ) {
        const step: SignedStep = await ask("SIGN", { package: name ?? null, after });
        [signed, left, after] = [signed + step.signed, left + step.left, step.next];
        progress.show(`${signed} wheels signed`);
      }
    } finally {
      progress.clear();
    }
    frame.print(`provenance: ${counted(signed, "wheel")} signed`);
    if (left > 0)
      throw new Error(`${counted(left, "wheel")} could not be signed: the master's log says why`);
    return 0;
  });
}

const isPerPackage = (what: What): what is "project" | "index" =>
  what === "project" || what === "index";

/** @throws ConfigurationError */
function readWhat([what = "", name, ...more]: readonly string[]): {
  what: What;
  name: string | undefined;
} {
  if (!Object.hasOwn(kinds, what))
    throw new ConfigurationError(
      `"${harmless(what.slice(0, 60))}" cannot be written again; the nearest that can is ${findNearest(what, [...Object.keys(kinds), "provenance"]) ?? ""}`,
    );
  const known = what as What;
  if (more.length > 0) throw new ConfigurationError("name one package, or none for all of them");
  if (name !== undefined && !isPerPackage(known))
    throw new ConfigurationError(`${known} is one page: it takes no PACKAGE`);
  return { what: known, name };
}

async function rebuildOne(
  ask: Ask<ImportQuestions>,
  what: "project" | "index",
  name: string,
  frame: Frame,
): Promise<number> {
  const subjects = readSubjects([name]);
  const [found] = await lookUpAll(ask, subjects);
  const [subject] = subjects;
  if (subject !== undefined && found?.found === null) throw new Error(unknownLine(subject, found));
  await ask("REBUILD", { kind: kinds[what], package: name });
  frame.print(`${what} ${harmless(found?.found?.package ?? name)}: will be written`);
  return 0;
}

/**
 * A stretch of packages a question, as the pages of the former ones are written. Where it is interrupted,
 * what was asked for is still written, and the rest can be asked for with `--after`.
 */
async function rebuildAll(
  ask: Ask<ImportQuestions>,
  what: "project" | "index",
  start: string,
  frame: Frame,
): Promise<number> {
  const progress = openProgress();
  let after: string | null = start;
  let requested = 0;
  try {
    while (after !== null) {
      const step: { requested: number; next: string | null; isFull: boolean } = await ask(
        "REBUILD",
        { kind: kinds[what], after },
      );
      requested += step.requested;
      after = step.next;
      progress.show(
        `${requested} ${what} pages asked for${after === null ? "" : `, up to ${harmless(after)}`}`,
      );
      if (step.isFull) await delay(FULL_PAUSE_MS, undefined, { signal: frame.signal });
    }
  } catch (error) {
    progress.clear();
    const rest = after === null || after === "" ? "" : `; go on with --after ${harmless(after)}`;
    process.stderr.write(`${counted(requested, "page")} asked for so far${rest}\n`);
    throw error;
  }
  progress.clear();
  frame.print(`${what}: ${counted(requested, "page")} will be written`);
  return 0;
}
