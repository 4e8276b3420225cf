/** piw-remove: removes packages or versions with their builds and files, or only those. */

import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import type { Values } from "../../config/option.ts";
import { removeProgram } from "../../config/package-tools.ts";
import type { LookUp, Removed } from "../../protocol/model/package-change.ts";
import { parseRequirement, RequirementError } from "../../protocol/packaging/requirement.ts";
import { canonicalVersion } from "../../protocol/packaging/version.ts";
import { importMaster, withMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { type Frame, runProgram } from "../program.ts";
import { openProgress } from "../progress.ts";
import {
  counted,
  lookUpAll,
  readSubjects,
  type Subject,
  subjectText,
  unknownLine,
} from "../subjects.ts";

interface Manner {
  readonly isOfBuildsOnly: boolean;
  readonly skip: string | null;
}

/** A prompt that lists more is not read. */
const MAX_SHOWN = 20;

export function remove(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: removeProgram,
      logLevel: "warn",
      run: (values, operands, frame) => {
        if (values.wanted) return takeBack(operands, values, frame);
        const subjects = readSubjects(operands);
        const manner = { isOfBuildsOnly: values.builds, skip: values.skip ?? null };
        if (manner.isOfBuildsOnly && manner.skip !== null)
          throw new ConfigurationError(
            "--builds and --skip contradict each other: with --builds it is built again",
          );
        return withMaster(importMaster(values, frame), async (ask) => {
          const known = await lookUpAll(ask, subjects);
          for (const [at, subject] of subjects.entries()) {
            const found = known[at];
            if (found !== undefined && isUnknown(found))
              throw new Error(unknownLine(subject, found));
          }
          const question = questionOf(subjects, known, manner);
          if (!(await confirm(question, { yes: values.yes }, frame))) {
            frame.print("Nothing was removed.");
            return REFUSED;
          }
          // One at a time, each whole or not at all: what is interrupted can be said again.
          const progress = openProgress();
          for (const [at, subject] of subjects.entries()) {
            progress.show(`removing ${at + 1} of ${subjects.length}: ${subjectText(subject)}`);
            const removed = await ask("REMOVE", { ...subject, ...manner });
            progress.clear();
            frame.print(removedLine(subject, removed, manner));
          }
          return 0;
        });
      },
    },
    argv,
  );
}

/** What was built of them stays. */
function takeBack(
  requirements: readonly string[],
  values: Values<(typeof removeProgram)["options"]>,
  frame: Frame,
): Promise<number> {
  if (values.builds || values.skip !== undefined)
    throw new ConfigurationError("--wanted removes nothing: leave --builds and --skip out");
  checkRequirements(requirements);
  return withMaster(importMaster(values, frame), async (ask) => {
    if (!(await confirm(takeBackQuestion(requirements), { yes: values.yes }, frame))) {
      frame.print("Nothing was taken back.");
      return REFUSED;
    }
    const { removed } = await ask("UNWANT", { requirements: [...requirements] });
    if (removed === 0)
      throw new Error("nothing of that is wanted: say it as it was added, or name a project");
    frame.print(`${removed} taken back`);
    return 0;
  });
}

/** @throws ConfigurationError for what nothing in the wanted set can be called */
function checkRequirements(operands: readonly string[]): void {
  for (const [at, operand] of operands.entries()) {
    const shown = harmless(operand.slice(0, 100));
    // The first word may be a project that is called 2.
    if (at > 0 && canonicalVersion(operand) !== undefined)
      throw new ConfigurationError(
        `"${shown}" is a version: with --wanted say a requirement as it was added, or a project's name`,
      );
    try {
      parseRequirement(operand);
    } catch (error) {
      if (!(error instanceof RequirementError)) throw error;
      throw new ConfigurationError(`"${shown}" is neither a project's name nor a requirement`);
    }
  }
}

function takeBackQuestion(requirements: readonly string[]): string {
  const lines = requirements.slice(0, MAX_SHOWN).map((each) => `  ${harmless(each)}`);
  if (requirements.length > MAX_SHOWN) lines.push(`  and ${requirements.length - MAX_SHOWN} more`);
  return `Take back from the wanted set, a project's name with all its requirements\n${lines.join("\n")}\nGo ahead?`;
}

/** Versions that were removed before are known: they may be removed again with `--skip`. */
const isUnknown = ({ found, missing }: LookUp): boolean => found === null || missing.length > 0;

function questionOf(
  subjects: readonly Subject[],
  known: readonly LookUp[],
  { isOfBuildsOnly, skip }: Manner,
): string {
  const lines = subjects.slice(0, MAX_SHOWN).map((subject, at) => {
    const found = known[at]?.found ?? null;
    const parts = [
      counted(found?.versions ?? 0, "version"),
      `${counted(found?.files ?? 0, "file")} published`,
      `${counted(found?.pending ?? 0, "build")} on the queue`,
      ...(found === null || found.leased === 0 ? [] : [`${found.leased} being built`]),
    ];
    return `  ${subjectText(subject)}: ${parts.join(", ")}`;
  });
  if (subjects.length > MAX_SHOWN) lines.push(`  and ${subjects.length - MAX_SHOWN} more`);
  const consequence = isOfBuildsOnly
    ? "They are built again, under a build tag: names of files stay taken for ever."
    : skip !== null
      ? "They stay out until piw-add --unskip. Names of files stay taken for ever."
      : known.every((each) => each.found?.isLocal)
        ? "They were recorded by hand. Names of files stay taken for ever."
        : "Upstream's next change of them brings them back: --skip REASON keeps them out. Names of files stay taken for ever.";
  const what = isOfBuildsOnly ? "the builds and files of" : "with all builds and files";
  return `Remove ${what}\n${lines.join("\n")}\n${consequence}\nGo ahead?`;
}

/** @throws Error where it is not there any more: somebody else was faster */
function removedLine(subject: Subject, removed: Removed, { isOfBuildsOnly }: Manner): string {
  if (removed.outcome === "unknown")
    throw new Error(`the farm knows no ${subjectText(subject)} any more`);
  const parts = [
    ...(isOfBuildsOnly ? [] : [counted(removed.versions, "version")]),
    counted(removed.builds, "build"),
    counted(removed.files, "file"),
    ...(removed.requirements > 0
      ? [`${counted(removed.requirements, "requirement")} of the wanted set`]
      : []),
  ];
  const effects = [
    ...(removed.dropped > 0 ? [`${counted(removed.dropped, "running build")} dropped`] : []),
    ...(isOfBuildsOnly ? [`${counted(removed.pending, "build")} on the queue`] : []),
  ];
  const name = harmless(subjectText({ ...subject, package: removed.package }));
  return [`${name}: removed ${parts.join(", ")}`, ...effects].join("; ");
}
