/**
 * Versions as PEP 440 defines them: reading, normal form, order. Called by whoever stores, sorts or
 * selects releases. Versions from before PEP 440 that it cannot read are no Version; in the order they
 * come before all others.
 */
import { MAX_NAME_LENGTH } from "./canonical-name.ts";

/** A number where it is safe, a bigint beyond, never both for one value: so `===` and `<` just work. */
export type VersionNumber = number | bigint;

/** A version taken apart and normalised. Two spellings of one version give equal values, trailing zeros apart. */
export interface Version {
  readonly epoch: VersionNumber;
  /** At least one; `1.0` and `1.0.0` differ here and are equal in the order. */
  readonly release: readonly VersionNumber[];
  readonly pre: { readonly letter: "a" | "b" | "rc"; readonly number: VersionNumber } | null;
  readonly post: VersionNumber | null;
  readonly dev: VersionNumber | null;
  /** The parts after `+`: numbers as numbers, text in lower case. */
  readonly local: readonly (VersionNumber | string)[] | null;
}

/** PEP 440 appendix B, with the release in the middle and everything else optional; no part can backtrack far. */
const pattern =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[._-]?(alpha|a|beta|b|preview|pre|c|rc)[._-]?(\d+)?)?(?:-(\d+)|[._-]?(post|rev|r)[._-]?(\d+)?)?(?:[._-]?(dev)[._-]?(\d+)?)?(?:\+([a-z0-9]+(?:[._-][a-z0-9]+)*))?$/i;

const preLetters: Readonly<Record<string, "a" | "b" | "rc">> = {
  a: "a",
  alpha: "a",
  b: "b",
  beta: "b",
  c: "rc",
  rc: "rc",
  pre: "rc",
  preview: "rc",
};

/**
 * Reads any spelling that PEP 440 allows (`v1.0`, `1.0-1`, `1.0c2`, `1.0.PREVIEW_3`, white space around).
 * Undefined where it is no version, or where it or its normal form is longer than `MAX_NAME_LENGTH`.
 */
export function parseVersion(text: string): Version | undefined {
  const trimmed = text.trim();
  if (trimmed.length > MAX_NAME_LENGTH) return undefined;
  const version = readVersion(trimmed);
  // Normalising adds at most `post` and three implied zeros.
  if (version === undefined || trimmed.length <= MAX_NAME_LENGTH - 10) return version;
  return formatVersion(version).length <= MAX_NAME_LENGTH ? version : undefined;
}

function readVersion(text: string): Version | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, epoch, release = "", preLetter, preNumber, postDash, post, postNumber, dev, devNumber] =
    match;
  const letter = preLetter === undefined ? undefined : preLetters[preLetter.toLowerCase()];
  const local = match[10];
  return {
    epoch: readNumber(epoch ?? "0"),
    release: release.split(".").map(readNumber),
    pre: letter === undefined ? null : { letter, number: readNumber(preNumber ?? "0") },
    post:
      postDash !== undefined
        ? readNumber(postDash)
        : post === undefined
          ? null
          : readNumber(postNumber ?? "0"),
    dev: dev === undefined ? null : readNumber(devNumber ?? "0"),
    local: local === undefined ? null : local.toLowerCase().split(/[._-]/).map(readLocalPart),
  };
}

function readNumber(digits: string): VersionNumber {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

const readLocalPart = (part: string) => (/^\d+$/.test(part) ? readNumber(part) : part);

/** The normal form (PEP 440): `1.0-1` is `1.0.post1`. Trailing zeros stay; equality is `compareVersions`'. */
export function formatVersion(version: Version): string {
  const { epoch, release, pre, post, dev, local } = version;
  let text = epoch === 0 ? release.join(".") : `${epoch}!${release.join(".")}`;
  if (pre !== null) text += `${pre.letter}${pre.number}`;
  if (post !== null) text += `.post${post}`;
  if (dev !== null) text += `.dev${dev}`;
  if (local !== null) text += `+${local.join(".")}`;
  return text;
}

/** The normal form of a version as it is spelled; undefined where it is none. */
export function canonicalVersion(text: string): string | undefined {
  const version = parseVersion(text);
  return version === undefined ? undefined : formatVersion(version);
}

/** Whether it is an alpha, beta, candidate or development release. What is no version is none. */
export function isPrerelease(version: Version | string): boolean {
  const parsed = typeof version === "string" ? parseVersion(version) : version;
  return parsed !== undefined && (parsed.pre !== null || parsed.dev !== null);
}

/**
 * The order of PEP 440, negative, zero or positive. Zero also for different spellings (`1.0`, `1.0.0`).
 * Texts that are no version come first, in the order of their sort keys.
 */
export function compareVersions(left: Version | string, right: Version | string): number {
  const a = typeof left === "string" ? (parseVersion(left) ?? left) : left;
  const b = typeof right === "string" ? (parseVersion(right) ?? right) : right;
  if (typeof a === "string" || typeof b === "string") {
    if (typeof a !== "string") return 1;
    if (typeof b !== "string") return -1;
    return compare(legacySortKey(a), legacySortKey(b));
  }
  return (
    compare(a.epoch, b.epoch) ||
    compareRelease(a.release, b.release) ||
    comparePhase(a, b) ||
    compareOptional(a.post, b.post, -1) ||
    compareOptional(a.dev, b.dev, 1) ||
    compareLocal(a.local, b.local)
  );
}

const compare = <T extends VersionNumber | string>(a: T, b: T): number =>
  a < b ? -1 : a > b ? 1 : 0;

function compareRelease(a: readonly VersionNumber[], b: readonly VersionNumber[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = compare<VersionNumber>(a[i] ?? 0, b[i] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** `1.0.dev1` < `1.0a1` < `1.0b1` < `1.0rc1` < `1.0` and `1.0.post1`. */
function comparePhase(a: Version, b: Version): number {
  return compare(phase(a), phase(b)) || compare(a.pre?.number ?? 0, b.pre?.number ?? 0);
}

function phase(version: Version): "-" | "a" | "b" | "c" | "z" {
  if (version.pre === null) return version.dev !== null && version.post === null ? "-" : "z";
  return version.pre.letter === "rc" ? "c" : version.pre.letter;
}

/** `absent` says where the lack of the part sorts: -1 below any number, 1 above. */
function compareOptional(a: VersionNumber | null, b: VersionNumber | null, absent: -1 | 1): number {
  if (a === null) return b === null ? 0 : absent;
  if (b === null) return -absent;
  return compare(a, b);
}

/** None is lowest; then part by part, text below numbers, a longer one above its own beginning. */
function compareLocal(a: Version["local"], b: Version["local"]): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  for (const [i, left] of a.entries()) {
    const right = b[i];
    if (right === undefined) return 1;
    if (typeof left === "string" && typeof right === "string") {
      if (left !== right) return compare(left, right);
    } else if (typeof left === "string") return -1;
    else if (typeof right === "string") return 1;
    else if (left !== right) return compare(left, right);
  }
  return a.length - b.length;
}

/**
 * A text whose plain byte order (`COLLATE "C"`, or `<` in JavaScript) is the order of PEP 440, and which
 * is the same for two spellings exactly where the versions are equal; so it is also the identity of a
 * release. Printable ASCII. Any text has one: what is no version gets a key below those of all versions.
 */
export function versionSortKey(text: string): string {
  const version = parseVersion(text);
  if (version === undefined) return legacySortKey(text);
  let last = version.release.length;
  while (last > 0 && version.release[last - 1] === 0) last -= 1;
  let key = numberKey(version.epoch);
  for (let i = 0; i < last; i++) key += numberKey(version.release[i] ?? 0);
  // `.` ends the release: it sorts below every number, so that a shorter release comes first.
  key += `.${phase(version)}${version.pre === null ? "" : numberKey(version.pre.number)}`;
  key += version.post === null ? "-" : numberKey(version.post);
  key += version.dev === null ? "z" : numberKey(version.dev);
  if (version.local === null) return key;
  const parts = version.local.map((part) =>
    typeof part === "string" ? `s${part}!` : `t${numberKey(part)}`,
  );
  return `${key}+${parts.join("")}`;
}

/** The number of digits as a letter, then the digits. 26 and more digits: `Z`, the key of their number, the digits. */
function numberKey(number: VersionNumber): string {
  const digits = String(number);
  return digits.length < 26
    ? String.fromCharCode(64 + digits.length) + digits
    : `Z${numberKey(digits.length)}${digits}`;
}

/** `!` sorts below every version's first letter. Bounded, and free of what a database text cannot hold. */
const legacySortKey = (text: string): string =>
  `!${text
    .trim()
    .slice(0, MAX_NAME_LENGTH)
    .replace(/[^!-}]/g, (odd) => `~${odd.charCodeAt(0).toString(16).padStart(4, "0")}`)}`;
