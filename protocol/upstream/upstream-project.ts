/**
 * A project as an index shows it, whichever form the index speaks, and the checks that every file must
 * pass before the farm hears of it. Called by the readers of both forms. Text that no database or page can
 * hold (NUL, half a surrogate pair) is replaced here, so that nobody behind this room meets it.
 */
import { canonicalName, isValidName } from "../packaging/canonical-name.ts";
import { parseSdistFilename } from "../packaging/sdist-filename.ts";
import { parseWheelFilename } from "../packaging/wheel-filename.ts";

export interface UpstreamFile {
  readonly filename: string;
  /** Absolute, http or https, without a fragment. */
  readonly url: string;
  /** Lower-case hexadecimal; null where the index gives none. */
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
  readonly requiresPython: string | null;
  /** The reason, empty where none is given; null when it is not yanked (PEP 592). */
  readonly yanked: string | null;
  /** ISO 8601 with milliseconds and `Z`. */
  readonly uploadedAt: string | null;
  readonly kind: "sdist" | "wheel" | "other";
  /** Normal form (PEP 440), from the file name; null where it is neither an sdist nor a wheel of this project. */
  readonly version: string | null;
  /** Whether the index also serves `url` + `.metadata` (PEP 658). */
  readonly coreMetadata: boolean;
  /** Of that file, in lower-case hexadecimal; null where the index does not say it. */
  readonly metadataSha256: string | null;
  /** Where its attestations are (PEP 740): absolute, http or https. */
  readonly provenanceUrl: string | null;
}

/** PEP 792, but for `active`, which says nothing. */
export const warningStatuses = ["archived", "quarantined", "deprecated"] as const;

/** What an index says of a project as a whole. */
export interface ProjectStanding {
  /** The reason is empty where none is given. */
  readonly status: {
    readonly status: (typeof warningStatuses)[number];
    readonly reason: string;
  } | null;
  /** Pages of the same project that own its name (PEP 708). */
  readonly tracks: readonly string[];
  /** Pages of the same project elsewhere, as its owner says (PEP 708). */
  readonly alternateLocations: readonly string[];
}

/** What a page was marked with, to be shown when it is asked for again (RFC 9110, 8.8); null where it was not. */
export interface Validators {
  readonly etag: string | null;
  readonly modified: string | null;
}

export interface UpstreamProject extends ProjectPage {
  readonly validators: Validators;
}

/** What the page of a project says, in either form. */
export interface ProjectPage extends ProjectStanding {
  /** As the index spells it; PyPI gives the canonical name here. */
  readonly name: string;
  /** The serial of its last change; null for an index without serials. */
  readonly lastSerial: number | null;
  readonly files: readonly UpstreamFile[];
  /** As the index spells them (PEP 700); from the file names where it does not list them. */
  readonly versions: readonly string[];
  /** Files left out because what the index says of them is broken. */
  readonly skippedFiles: number;
}

/** What a form says of a file, not yet checked. */
export interface FileClaim {
  readonly filename: string;
  /** May be relative. */
  readonly url: string;
  readonly sha256: string | undefined;
  readonly sizeBytes: number | null;
  readonly requiresPython: string | null;
  readonly yanked: string | null;
  readonly uploadedAt: string | null;
  readonly coreMetadata: boolean;
  readonly metadataSha256: string | undefined;
  /** May be relative. */
  readonly provenanceUrl: string | null;
}

/** A name that may stand in a folder; everything that PyPI ever held is of this form. */
const plainFilename = /^[A-Za-z0-9_][A-Za-z0-9._+!-]{0,254}$/;
const sha256Pattern = /^[0-9a-f]{64}$/;
const MAX_URL_LENGTH = 4_000;
const MAX_NOTE_LENGTH = 1_000;

/**
 * The file, or undefined where its name is no plain file name, its address is not on the web, or its hash
 * is no hash. What is only advice (Requires-Python, the time) is left out instead when it is broken.
 */
export function checkFile(
  claim: FileClaim,
  project: string,
  pageUrl: string,
): UpstreamFile | undefined {
  const url = resolveUrl(claim.url, pageUrl);
  const sha256 = claim.sha256?.toLowerCase() ?? null;
  if (!plainFilename.test(claim.filename) || url === undefined) return undefined;
  if (sha256 !== null && !sha256Pattern.test(sha256)) return undefined;
  const { requiresPython } = claim;
  return {
    filename: claim.filename,
    url: url.href,
    sha256,
    sizeBytes: claim.sizeBytes,
    requiresPython:
      requiresPython === null || requiresPython.length > MAX_NOTE_LENGTH || requiresPython === ""
        ? null
        : cleanText(requiresPython),
    yanked: claim.yanked === null ? null : cleanText(claim.yanked.slice(0, MAX_NOTE_LENGTH)),
    uploadedAt: claim.uploadedAt === null ? null : normalTime(claim.uploadedAt),
    ...kindOf(claim.filename, project),
    coreMetadata: claim.coreMetadata,
    metadataSha256: sha256From(claim.metadataSha256),
    provenanceUrl:
      claim.provenanceUrl === null
        ? null
        : (resolveUrl(claim.provenanceUrl, pageUrl)?.href ?? null),
  };
}

const sha256From = (text: string | undefined): string | null => {
  const sha256 = text?.toLowerCase() ?? "";
  return sha256Pattern.test(sha256) ? sha256 : null;
};

const MAX_LOCATIONS = 20;

/** Without what is not of PEP 708 and PEP 792: all of it is advice. Locations are absolute; what is tracked has the same name. */
export function checkStanding(
  claim: {
    readonly status: string | undefined;
    readonly reason: string | undefined;
    readonly tracks: readonly string[];
    readonly alternateLocations: readonly string[];
  },
  project: string,
): ProjectStanding {
  const status = warningStatuses.find((each) => each === claim.status);
  const reason = cleanText((claim.reason ?? "").slice(0, MAX_NOTE_LENGTH));
  const absolute = (urls: readonly string[]): URL[] =>
    urls
      .slice(0, MAX_LOCATIONS)
      .flatMap((url) => (URL.canParse(url) ? (resolveUrl(url, url) ?? []) : []));
  const isOfProject = (url: URL): boolean => {
    const name = url.pathname.replace(/\/+$/, "").split("/").at(-1) ?? "";
    return isValidName(name) && canonicalName(name) === project;
  };
  return {
    status: status === undefined ? null : { status, reason },
    tracks: [
      ...new Set(
        absolute(claim.tracks)
          .filter(isOfProject)
          .map((url) => url.href),
      ),
    ],
    alternateLocations: [...new Set(absolute(claim.alternateLocations).map((url) => url.href))],
  };
}

/** Undefined where it is no http or https address, or too long a one. */
export function resolveUrl(href: string, baseUrl: string): URL | undefined {
  if (href.length > MAX_URL_LENGTH || !URL.canParse(href, baseUrl)) return undefined;
  const url = new URL(href, baseUrl);
  url.hash = "";
  return /^https?:$/.test(url.protocol) && url.href.length <= MAX_URL_LENGTH ? url : undefined;
}

/** The versions of the files, each once. */
export const versionsOf = (files: readonly UpstreamFile[]): string[] => [
  ...new Set(files.flatMap(({ version }) => (version === null ? [] : [version]))),
];

/** Without the characters that PostgreSQL or UTF-8 cannot hold; each becomes U+FFFD. */
export const cleanText = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, "\ufffd");

function kindOf(filename: string, project: string): Pick<UpstreamFile, "kind" | "version"> {
  const wheel = parseWheelFilename(filename);
  if (wheel?.name === project) return { kind: "wheel", version: wheel.version };
  const sdist = parseSdistFilename(filename, project);
  if (sdist !== undefined) return { kind: "sdist", version: sdist.version };
  return { kind: "other", version: null };
}

function normalTime(text: string): string | null {
  const instantMs = Date.parse(text);
  const isSane = instantMs >= 0 && instantMs < Date.UTC(9999, 0);
  return isSane ? new Date(instantMs).toISOString() : null;
}
