/**
 * Which packages and versions a tool is about: `numpy 1.26.4 2.0 six` is two versions of numpy, and six.
 * And what is said of those that the farm does not know.
 */
import { ConfigurationError } from "../config/configuration-error.ts";
import { harmless } from "../config/log-line.ts";
import { findNearest } from "../config/nearest.ts";
import type { ImportQuestions } from "../protocol/links/import.ts";
import type { LookUp } from "../protocol/model/package-change.ts";
import { isValidName, MAX_NAME_LENGTH } from "../protocol/packaging/canonical-name.ts";
import { canonicalVersion } from "../protocol/packaging/version.ts";
import type { Ask } from "./ask-master.ts";

export interface Subject {
  readonly package: string;
  /** Empty: the package itself. */
  readonly versions: readonly string[];
}

/** What one command takes: the link has bounds, and a prompt is to be read. */
const MAX_SUBJECTS = 1_000;
const MAX_VERSIONS = 1_000;
const MAX_NEAREST = 3;

/**
 * The first word is a name, also where it looks like a version (there is a project called 2).
 *
 * @throws ConfigurationError for what is neither, or too long, or too many
 */
export function readSubjects(operands: readonly string[]): Subject[] {
  const subjects: { package: string; versions: string[] }[] = [];
  for (const operand of operands) {
    const last = subjects.at(-1);
    if (operand.length > MAX_NAME_LENGTH)
      throw new ConfigurationError(
        `"${harmless(operand.slice(0, 40))}..." is longer than ${MAX_NAME_LENGTH} characters: no package or version is`,
      );
    if (last !== undefined && canonicalVersion(operand) !== undefined) last.versions.push(operand);
    else if (isValidName(operand)) subjects.push({ package: operand, versions: [] });
    else
      throw new ConfigurationError(
        `"${harmless(operand)}" is neither a package's name nor a version of one`,
      );
  }
  if (subjects.length > MAX_SUBJECTS)
    throw new ConfigurationError(`more than ${MAX_SUBJECTS} packages at once`);
  if (subjects.some(({ versions }) => versions.length > MAX_VERSIONS))
    throw new ConfigurationError(`more than ${MAX_VERSIONS} versions of a package at once`);
  return subjects;
}

export const isSubject = (operand: string): boolean =>
  isValidName(operand) || canonicalVersion(operand) !== undefined;

/** In the order of the subjects. */
export async function lookUpAll(
  ask: Ask<ImportQuestions>,
  subjects: readonly Subject[],
): Promise<LookUp[]> {
  const found: LookUp[] = [];
  for (const subject of subjects) found.push(await ask("LOOK_UP", subject));
  return found;
}

/** The line for what the farm does not know, with the nearest that it does. */
export function unknownLine(
  subject: Subject,
  { found, missing, removed, candidates }: LookUp,
): string {
  if (found !== null && missing.length === 0)
    return `${harmless(`${found.package} ${removed.join(", ")}`.slice(0, 200))} was removed`;
  const near = nearest(found === null ? subject.package : (missing[0] ?? ""), candidates);
  const hint =
    near.length === 0 ? "" : `; the nearest ${near.length === 1 ? "is" : "are"} ${near.join(", ")}`;
  return found === null
    ? `the farm knows no package ${harmless(subject.package)}${hint}`
    : `the farm knows no ${harmless(found.package)} ${harmless(missing.join(", ").slice(0, 200))}${hint}`;
}

function nearest(word: string, known: readonly string[]): string[] {
  const left = new Set(known);
  const near: string[] = [];
  while (near.length < MAX_NEAREST && left.size > 0) {
    const next = findNearest(word, left);
    if (next === undefined) break;
    near.push(next);
    left.delete(next);
  }
  return near;
}

/** `numpy` or `numpy 1.26.4, 2.0`; of many versions the first. */
export function subjectText({ package: name, versions }: Subject): string {
  const shown = versions.slice(0, 5).join(", ");
  const more = versions.length > 5 ? ` and ${versions.length - 5} more` : "";
  return harmless(versions.length === 0 ? name : `${name} ${shown}${more}`);
}

export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;
