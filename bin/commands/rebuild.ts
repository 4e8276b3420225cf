/** piw-rebuild: has pages of the site written again, one or all of a kind, and says how far that is. */
import { setTimeout as delay } from "node:timers/promises";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { findNearest } from "../../config/nearest.ts";
import { rebuildProgram } from "../../config/package-tools.ts";
import type { ImportQuestions } from "../../protocol/links/import.ts";
import type { PageRebuild } from "../../protocol/model/page.ts";
import type { SignedStep } from "../../protocol/model/provenance.ts";
import { type Ask, importMaster, withMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { type Frame, runProgram } from "../program.ts";
import { openProgress } from "../progress.ts";
import { counted, lookUpAll, readSubjects, unknownLine } from "../subjects.ts";

type What = "home" | "search" | "project" | "index" | "all";
type BulkKind = "simple" | "project";
type Kind = "home" | "search" | BulkKind;

const kinds: Readonly<Record<What, readonly Kind[]>> = {
  home: ["home"],
  search: ["search"],
  project: ["project"],
  index: ["simple"],
  all: ["home", "search", "simple", "project"],
};

/** Of the kinds of rebuilds, as they are called here. */
const words = { simple: "index", project: "project", downloads: "downloads on project" } as const;

const LOOK_EVERY_MS = 500;

export function rebuild(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: rebuildProgram,
      logLevel: "warn",
      run: (values, operands, frame) => {
        if (operands[0] === "provenance") return signAll(operands.slice(1), values, frame);
        const { what, name } = readWhat(operands, values.progress);
        return withMaster(importMaster(values, frame), async (ask) => {
          if (what === undefined) return showProgress(ask, frame);
          if (name !== undefined) return rebuildOne(ask, what, name, frame);
          const bulk = kinds[what].filter(isBulk);
          const kindWords = bulk.map((kind) => words[kind]).join(" and ");
          if (bulk.length > 0) {
            const question = `Write the ${kindWords} pages of all packages again?`;
            if (!(await confirm(question, { yes: values.yes }, frame))) {
              frame.print("Nothing was asked for.");
              return REFUSED;
            }
          }
          for (const kind of kinds[what]) {
            if (isBulk(kind)) continue;
            await ask("REBUILD", { kind });
            frame.print(`${kind}: will be written`);
          }
          if (bulk.length > 0) await rebuildAll(ask, bulk, values.detach, frame);
          return 0;
        });
      },
    },
    argv,
  );
}

/** Wheels that were published before there was a key, or while signing failed. What has provenance keeps it. */
function signAll(
  [name, ...more]: readonly string[],
  values: Parameters<typeof importMaster>[0],
  frame: Frame,
): Promise<number> {
  if (more.length > 0) throw new ConfigurationError("name one package, or none for all of them");
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

const isBulk = (kind: Kind): kind is BulkKind => kind === "simple" || kind === "project";

const isPerPackage = (what: What): what is "project" | "index" =>
  what === "project" || what === "index";

/** @throws ConfigurationError */
function readWhat(
  [what, name, ...more]: readonly string[],
  isProgress: boolean,
): { what: What | undefined; name: string | undefined } {
  if (isProgress) {
    if (what !== undefined) throw new ConfigurationError("--progress goes with nothing to rebuild");
    return { what, name };
  }
  if (what === undefined)
    throw new ConfigurationError(
      `say what is to be written again: ${Object.keys(kinds).join(", ")}; or --progress`,
    );
  if (!Object.hasOwn(kinds, what))
    throw new ConfigurationError(
      `"${harmless(what.slice(0, 60))}" cannot be written again; the nearest that can is ${findNearest(what, [...Object.keys(kinds), "provenance"]) ?? ""}`,
    );
  const known = what as What;
  if (more.length > 0) throw new ConfigurationError("name one package, or none for all of them");
  if (name !== undefined && !isPerPackage(known))
    throw new ConfigurationError(
      known === "all" ? "all takes no PACKAGE" : `${known} is one page: it takes no PACKAGE`,
    );
  return { what: known, name };
}

async function rebuildOne(
  ask: Ask<ImportQuestions>,
  what: What,
  name: string,
  frame: Frame,
): Promise<number> {
  const subjects = readSubjects([name]);
  const [found] = await lookUpAll(ask, subjects);
  const [subject] = subjects;
  if (subject !== undefined && found?.found === null) throw new Error(unknownLine(subject, found));
  for (const kind of kinds[what].filter(isBulk)) await ask("REBUILD", { kind, package: name });
  frame.print(`${what} ${harmless(found?.found?.package ?? name)}: will be written`);
  return 0;
}

/** The master does it in the background, and goes on with it after a restart, whoever waits here or not. */
async function rebuildAll(
  ask: Ask<ImportQuestions>,
  bulk: readonly BulkKind[],
  isDetached: boolean,
  frame: Frame,
): Promise<void> {
  const progress = openProgress();
  const isMeant = ({ kind }: PageRebuild): boolean => (bulk as readonly string[]).includes(kind);
  let meant = (await ask("REBUILD", { all: bulk })).filter(isMeant);
  try {
    while (!isDetached && meant.some(({ endedAt }) => endedAt === null)) {
      progress.show(meant.map(lineOf).join("; "));
      await delay(LOOK_EVERY_MS, undefined, { signal: frame.signal });
      meant = (await ask("REBUILDS", {})).filter(isMeant);
    }
  } catch (error) {
    progress.clear();
    process.stderr.write(
      "the master goes on with it in the background: --progress shows how far it is\n",
    );
    throw error;
  }
  progress.clear();
  for (const one of meant) frame.print(lineOf(one));
}

async function showProgress(ask: Ask<ImportQuestions>, frame: Frame): Promise<number> {
  const all = await ask("REBUILDS", {});
  if (all.length === 0) frame.print("No rebuild of all pages was ever asked for.");
  for (const one of all) frame.print(`${lineOf(one)} (${one.reason})`);
  return 0;
}

function lineOf({ kind, done, total, after, endedAt }: PageRebuild): string {
  const word = words[kind];
  if (endedAt !== null) return `${word}: done, the pages of ${counted(done, "package")}`;
  const upTo = after === "" ? "" : `, up to ${harmless(after)}`;
  return `${word}: the pages of ${done} of ${counted(total, "package")}${upTo}`;
}
