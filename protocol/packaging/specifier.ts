/**
 * Version specifiers (PEP 440): `>=1.0,!=1.5.*,<2`. Called to select releases for requirements and to
 * ask whether Requires-Python admits a target. It orders nothing and knows no names.
 */
import {
  compareVersions,
  formatVersion,
  isPrerelease,
  parseVersion,
  type Version,
  type VersionNumber,
} from "./version.ts";

export type SpecifierOperator = "~=" | "==" | "!=" | "<=" | ">=" | "<" | ">" | "===";

export interface Specifier {
  readonly operator: SpecifierOperator;
  /** The version as written, without `.*`. */
  readonly text: string;
  /** Null only for `===` with a text that is no version. */
  readonly version: Version | null;
  /** `==1.*` or `!=1.*`. */
  readonly isPrefix: boolean;
}

export interface PrereleaseRule {
  /** True: pre-releases count like others. False: never. Left out: the rule of PEP 440, see each function. */
  readonly prereleases?: boolean;
}

/** More clauses or characters than any real specifier has; one that goes beyond is refused. */
const MAX_CLAUSES = 200;
const MAX_LENGTH = 5_000;

/**
 * Reads a comma-separated specifier set; the empty one admits everything. Undefined where any clause is
 * broken, among them what PEP 440 does not allow: `>=1.*`, `~=1`, `<1+local`.
 */
export function parseSpecifiers(text: string): Specifier[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const clauses = text
    .split(",")
    .map((clause) => clause.trim())
    .filter((clause) => clause !== "");
  if (clauses.length > MAX_CLAUSES) return undefined;
  const specifiers: Specifier[] = [];
  for (const clause of clauses) {
    const specifier = parseClause(clause);
    if (specifier === undefined) return undefined;
    specifiers.push(specifier);
  }
  return specifiers;
}

function parseClause(clause: string): Specifier | undefined {
  const match = /^(===|~=|==|!=|<=|>=|<|>)\s*([^\s;)]+)$/.exec(clause);
  if (match === null) return undefined;
  const operator = match[1] as SpecifierOperator;
  const written = match[2] ?? "";
  if (operator === "===") {
    return { operator, text: written, version: parseVersion(written) ?? null, isPrefix: false };
  }
  const isPrefix = written.endsWith(".*");
  const text = isPrefix ? written.slice(0, -2) : written;
  const version = parseVersion(text);
  if (version === undefined) return undefined;
  const { pre, post, dev, local, release } = version;
  const isEquality = operator === "==" || operator === "!=";
  if (local !== null && (!isEquality || isPrefix)) return undefined;
  if (isPrefix && (!isEquality || pre !== null || post !== null || dev !== null)) return undefined;
  if (operator === "~=" && release.length < 2) return undefined;
  return { operator, text, version, isPrefix };
}

/** The text of a set, as `parseSpecifiers` reads it. */
export const formatSpecifiers = (specifiers: readonly Specifier[]): string =>
  specifiers
    .map(({ operator, text, isPrefix }) => operator + text + (isPrefix ? ".*" : ""))
    .join(",");

/**
 * Whether a version satisfies all clauses. Left to the rule, a pre-release does so only where a clause
 * names one (`>=1.0b1`). What is no version satisfies only `===` with the same text and the empty set.
 */
export function satisfies(
  version: Version | string,
  specifiers: readonly Specifier[],
  rule: PrereleaseRule = {},
): boolean {
  const admitted = rule.prereleases ?? specifiers.some(namesPrerelease);
  return (admitted || !isPrerelease(version)) && matchesAll(version, specifiers);
}

/**
 * The versions of a list that satisfy all clauses, in their order, as an installer would choose from
 * them. Left to the rule, pre-releases are among them only where a clause names one, or where nothing
 * else satisfies.
 */
export function selectVersions(
  versions: readonly string[],
  specifiers: readonly Specifier[],
  rule: PrereleaseRule = {},
): string[] {
  const matching = versions.filter((version) => matchesAll(version, specifiers));
  if (rule.prereleases === true) return matching;
  const released = matching.filter((version) => !isPrerelease(version));
  if (rule.prereleases === false) return released;
  return released.length === 0 || specifiers.some(namesPrerelease) ? matching : released;
}

/**
 * The first of the candidates that satisfies all specifiers and is eligible, by the rule of `selectVersions` for
 * pre-releases: what that gives of the eligible ones, first. Looks no further than it has to, so with the newest
 * first it costs little however many there are.
 */
export function findVersion<T extends { readonly version: string }>(
  candidates: Iterable<T>,
  specifiers: readonly Specifier[],
  isEligible: (candidate: T) => boolean,
): T | undefined {
  const takesPrereleases = specifiers.some(namesPrerelease);
  let prerelease: T | undefined;
  for (const candidate of candidates) {
    const isLast = takesPrereleases || !isPrerelease(candidate.version);
    if (!isLast && prerelease !== undefined) continue;
    if (!matchesAll(candidate.version, specifiers) || !isEligible(candidate)) continue;
    if (isLast) return candidate;
    prerelease = candidate;
  }
  return prerelease;
}

/** `!=` and prefixes never ask for pre-releases, whatever they name. */
const namesPrerelease = ({ operator, version, isPrefix }: Specifier): boolean =>
  operator !== "!=" && !isPrefix && version !== null && isPrerelease(version);

function matchesAll(version: Version | string, specifiers: readonly Specifier[]): boolean {
  const text = typeof version === "string" ? version.trim() : undefined;
  const parsed = typeof version === "string" ? parseVersion(version) : version;
  return specifiers.every((specifier) => matches(parsed, text, specifier));
}

function matches(
  candidate: Version | undefined,
  candidateText: string | undefined,
  { operator, text, version, isPrefix }: Specifier,
): boolean {
  if (operator === "===") {
    const written = candidateText ?? (candidate === undefined ? "" : formatVersion(candidate));
    return written.toLowerCase() === text.toLowerCase();
  }
  if (candidate === undefined || version === null) return false;
  const bare = candidate.local === null ? candidate : { ...candidate, local: null };
  switch (operator) {
    case "==":
      return isPrefix ? hasPrefix(bare, version) : equals(candidate, bare, version);
    case "!=":
      return !(isPrefix ? hasPrefix(bare, version) : equals(candidate, bare, version));
    case "~=": {
      const prefix = { epoch: version.epoch, release: version.release.slice(0, -1) };
      return compareVersions(bare, version) >= 0 && hasPrefix(bare, prefix);
    }
    case "<=":
      return compareVersions(bare, version) <= 0;
    case ">=":
      return compareVersions(bare, version) >= 0;
    case "<":
      return isBefore(candidate, version);
    case ">":
      return isAfter(bare, version);
  }
}

/** A clause without a local part ignores the candidate's. */
const equals = (candidate: Version, bare: Version, version: Version): boolean =>
  compareVersions(version.local === null ? bare : candidate, version) === 0;

function hasPrefix(
  candidate: Version,
  prefix: { readonly epoch: VersionNumber; readonly release: readonly VersionNumber[] },
): boolean {
  return (
    candidate.epoch === prefix.epoch &&
    prefix.release.every((number, i) => number === (candidate.release[i] ?? 0))
  );
}

/** `<V` excludes the pre-releases of V itself, unless V is one. */
function isBefore(candidate: Version, version: Version): boolean {
  if (compareVersions(candidate, version) >= 0) return false;
  if (isPrerelease(version) || !isPrerelease(candidate)) return true;
  return compareVersions(candidate, { ...version, dev: 0, local: null }) < 0;
}

/** `>V` excludes V's local versions, and its post-releases unless V is one. */
function isAfter(bare: Version, version: Version): boolean {
  if (compareVersions(bare, version) <= 0) return false;
  if (version.post !== null || bare.post === null) return true;
  return compareVersions({ ...bare, post: null, dev: null }, version) !== 0;
}
