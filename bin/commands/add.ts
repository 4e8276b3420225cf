/**
 * piw-add: adds packages to what a running master builds; or says something of packages and versions that
 * it knows (skip, yank, priority …), which then comes before what upstream says; or records versions that
 * upstream does not have, for piw-import.
 */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import type { Values } from "../../config/option.ts";
import { addProgram } from "../../config/package-tools.ts";
import type { ImportQuestions } from "../../protocol/links/import.ts";
import type { Changed, LookUp, PackageChange } from "../../protocol/model/package-change.ts";
import { parseRequirement } from "../../protocol/packaging/requirement.ts";
import { type Ask, importMaster, withMaster } from "../ask-master.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { type Frame, runProgram } from "../program.ts";
import { readRequirements } from "../requirements.ts";
import {
  counted,
  isSubject,
  lookUpAll,
  readSubjects,
  type Subject,
  subjectText,
  unknownLine,
} from "../subjects.ts";

type AddValues = Values<(typeof addProgram)["options"]>;
type Said = Omit<PackageChange, "package" | "versions" | "isCreation">;

export function add(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: addProgram,
      logLevel: "warn",
      run: (values, operands, frame) => {
        const said = whatIsSaid(values);
        const wants = wantedOf(operands, values, said);
        const subjects = subjectsOf(operands, said);
        if (wants.length === 0 && subjects.length === 0)
          throw new ConfigurationError("nothing to add: give names or -r FILE");
        return withMaster(importMaster(values, frame), async (ask) => {
          if (wants.length > 0)
            frame.print(
              wantedLine(
                await ask("WANT", {
                  requirements: wants,
                  withDeps: values["with-deps"],
                  withBuildDeps: values["with-build-deps"],
                }),
              ),
            );
          return subjects.length === 0 ? 0 : say({ ask, subjects, said, yes: values.yes, frame });
        });
      },
    },
    argv,
  );
}

const wantedLine = ({ added, known }: { added: number; known: number }): string =>
  `${added} added${known === 0 ? "" : `, ${known} known already`}`;

/** @throws ConfigurationError where two options contradict each other */
function whatIsSaid(values: AddValues): Said {
  if (values.skip !== undefined && values.unskip)
    throw new ConfigurationError("--skip and --unskip contradict each other");
  if (values.yank !== undefined && values.unyank)
    throw new ConfigurationError("--yank and --unyank contradict each other");
  return {
    skip: wordOf(values.skip, values.unskip),
    yank: wordOf(values.yank, values.unyank),
    aliases: values.alias,
    summary: values.description ?? null,
    releasedAt: values.released ?? null,
    priority: values.priority ?? null,
  };
}

const wordOf = (reason: string | undefined, isTakenBack: boolean) =>
  isTakenBack ? { reason: null } : reason === undefined ? null : { reason };

const saysAnything = (said: Said): boolean =>
  said.aliases.length > 0 ||
  [said.skip, said.yank, said.summary, said.releasedAt, said.priority].some((one) => one !== null);

/** A priority may be said of what is added with it; anything else is said of what is known. */
const isAddition = (said: Said): boolean => !saysAnything({ ...said, priority: null });

/**
 * What goes to the wanted set: requirements, and names without versions where nothing but a priority is
 * said of them.
 */
function wantedOf(operands: readonly string[], values: AddValues, said: Said): string[] {
  const requirements = operands.filter((operand) => !isSubject(operand));
  if (!isAddition(said)) {
    const [first] = [...requirements, ...values.requirement];
    if (first !== undefined)
      throw new ConfigurationError(
        `"${harmless(first.slice(0, 60))}" is a requirement, or a file of them: only --priority can be said of those`,
      );
    return [];
  }
  const names = readSubjects(operands.filter(isSubject))
    .filter(({ versions }) => versions.length === 0)
    .map((subject) => subject.package);
  return readRequirements([...names, ...requirements], values.requirement);
}

/** What something is said of, or what is to be recorded. @throws ConfigurationError */
function subjectsOf(operands: readonly string[], said: Said): Subject[] {
  const subjects = readSubjects(operands.filter(isSubject));
  if (said.priority !== null && isAddition(said)) {
    const others = operands.filter((operand) => !isSubject(operand));
    const names = others.map((text) => ({ package: parseRequirement(text).name, versions: [] }));
    return [...subjects, ...names];
  }
  if (isAddition(said)) return subjects.filter(({ versions }) => versions.length > 0);
  for (const { package: name, versions } of subjects) {
    const isWhole = versions.length === 0;
    if (isWhole && (said.yank !== null || said.releasedAt !== null))
      throw new ConfigurationError(
        `--yank, --unyank and --released concern versions: name those of ${harmless(name)}`,
      );
    if (!isWhole && (said.aliases.length > 0 || said.summary !== null))
      throw new ConfigurationError(
        "--alias and --description concern a whole package: leave the versions out",
      );
  }
  if (subjects.length > 1 && said.aliases.length > 0)
    throw new ConfigurationError("--alias leads to one package: name only that one");
  return subjects;
}

interface Saying {
  readonly ask: Ask<ImportQuestions>;
  readonly subjects: readonly Subject[];
  readonly said: Said;
  readonly yes: boolean;
  readonly frame: Frame;
}

/** Asks about all of it first: nothing is changed where one of them is unknown or the answer is no. */
async function say({ ask, subjects, said, yes, frame }: Saying): Promise<number> {
  const known = await lookUpAll(ask, subjects);
  const creations: boolean[] = [];
  const lines: string[] = [];
  for (const [at, subject] of subjects.entries()) {
    const found = known[at];
    if (found === undefined) continue;
    const isUnknown = found.found === null || absentOf(found, said).length > 0;
    if (isUnknown && !canBeRecorded(subject, said)) throw new Error(unknownLine(subject, found));
    const isCreation = isUnknown;
    creations.push(isCreation);
    if (isCreation) lines.push(creationLine(subject, found));
  }
  const doing = [...verbs(said)].join(", ");
  if (doing !== "" && !isAddition(said))
    lines.push(`${doing}: ${subjects.map(subjectText).join("; ").slice(0, 300)}.`);
  if (lines.length > 0 && !(await confirm(`${lines.join("\n")}\nGo ahead?`, { yes }, frame))) {
    frame.print("Nothing was changed.");
    return REFUSED;
  }
  for (const [at, subject] of subjects.entries()) {
    const change = { ...subject, ...said, isCreation: creations[at] ?? false };
    frame.print(changedLine(subject, await ask("CHANGE", change), change));
  }
  return 0;
}

/** Versions that nothing but facts are said of; what is skipped or yanked has to be there. */
const canBeRecorded = ({ versions }: Subject, said: Said): boolean =>
  versions.length > 0 && said.skip === null && said.yank === null;

/** What was removed may be skipped, so that it stays out should it come back. */
const absentOf = ({ missing, removed }: LookUp, { skip }: Said): readonly string[] =>
  skip === null ? [...missing, ...removed] : missing;

function creationLine(subject: Subject, found: LookUp): string {
  const name = harmless(subject.package);
  const absent = [...found.missing, ...found.removed];
  const versions = harmless(absent.join(", ").slice(0, 200));
  const what = `${unknownLine(subject, found)}.`;
  return `${what}\nRecord ${name} ${versions} by hand? It has no source, so it is not built: it is for piw-import. (To have upstream's built: piw-add '${name}==${harmless(absent[0] ?? "")}')`;
}

function* verbs(said: Said): Generator<string> {
  if (said.skip !== null) yield said.skip.reason === null ? "Unskip" : "Skip";
  if (said.yank !== null) yield said.yank.reason === null ? "Unyank" : "Yank";
  if (said.aliases.length > 0) yield `Alias ${harmless(said.aliases.join(", ").slice(0, 200))}`;
  if (said.summary !== null) yield "Describe";
  if (said.releasedAt !== null) yield "Date";
  if (said.priority !== null) yield `Priority ${said.priority}`;
}

/** @throws Error where the master would not: somebody else was faster */
function changedLine(subject: Subject, changed: Changed, change: PackageChange): string {
  switch (changed.outcome) {
    case "unknown":
      throw new Error(`the farm knows no ${subjectText(subject)} any more`);
    case "taken":
      throw new Error(
        `${harmless(changed.alias)} is the name of another package, ${harmless(changed.package)}`,
      );
    case "changed": {
      const parts = [
        changed.created > 0
          ? "recorded; it has no source, so it is not built: bring wheels with piw-import"
          : saysAnything(change)
            ? "changed"
            : "known already",
        `${counted(changed.pending, "build")} on the queue`,
        ...(changed.dropped > 0 ? [`${counted(changed.dropped, "running build")} dropped`] : []),
        ...(changed.remaining.length > 0
          ? [`upstream says still: ${harmless(changed.remaining.join(", "))}`]
          : []),
      ];
      return `${subjectText({ ...subject, package: changed.package })}: ${parts.join("; ")}`;
    }
  }
}
