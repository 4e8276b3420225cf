/**
 * Wheel file names (PEP 427): `name-version[-build]-python-abi-platform.whl`. Called before a wheel is
 * fetched, checked, published or counted. Strict, since the farm's own names go through it: what pip
 * takes only with a deprecation warning is refused.
 */
import { canonicalName, isValidName } from "./canonical-name.ts";
import { expandTags, type Tag } from "./tags.ts";
import { canonicalVersion } from "./version.ts";

export interface WheelFilename {
  readonly filename: string;
  /** Canonical. */
  readonly name: string;
  readonly nameAsWritten: string;
  /** Normal form (PEP 440). */
  readonly version: string;
  readonly versionAsWritten: string;
  /** Digits, then perhaps letters; null where there is none. */
  readonly buildTag: string | null;
  /** All tags that the compressed sets stand for. */
  readonly tags: readonly Tag[];
  /** The three sets as written, e.g. `py2.py3`, `none`, `any`. */
  readonly interpreter: string;
  readonly abi: string;
  readonly platform: string;
}

/** What file systems allow. */
const MAX_FILENAME_LENGTH = 255;

/** Undefined where it is no valid wheel file name; never a path, whatever the text. */
export function parseWheelFilename(filename: string): WheelFilename | undefined {
  if (filename.length > MAX_FILENAME_LENGTH || !filename.endsWith(".whl")) return undefined;
  const parts = filename.slice(0, -".whl".length).split("-");
  if (parts.length !== 5 && parts.length !== 6) return undefined;
  const [nameAsWritten = "", versionAsWritten = ""] = parts;
  const buildTag = parts.length === 6 ? (parts[2] ?? "") : null;
  const [interpreter = "", abi = "", platform = ""] = parts.slice(-3);
  const version = canonicalVersion(versionAsWritten);
  const tags = expandTags(`${interpreter}-${abi}-${platform}`);
  if (!isValidName(nameAsWritten) || nameAsWritten.includes("__")) return undefined;
  if (version === undefined || versionAsWritten !== versionAsWritten.trim()) return undefined;
  if (tags === undefined) return undefined;
  if (buildTag !== null && !/^\d[A-Za-z0-9_.]*$/.test(buildTag)) return undefined;
  return {
    filename,
    name: canonicalName(nameAsWritten),
    nameAsWritten,
    version,
    versionAsWritten,
    buildTag,
    tags,
    interpreter,
    abi,
    platform,
  };
}
