/**
 * Core metadata: METADATA of a wheel, PKG-INFO of an sdist. Called for wheels that arrive and for pages.
 * It reads what the farm shows or decides by; requirements stay text, since a broken one must not keep a
 * wheel from being published.
 */
import { canonicalName, isValidName } from "./canonical-name.ts";
import { parseHeaderFields } from "./header-fields.ts";
import { canonicalVersion } from "./version.ts";

export interface CoreMetadata {
  /** `1.0` where it is not said. */
  readonly metadataVersion: string;
  /** Canonical. */
  readonly name: string;
  readonly nameAsWritten: string;
  /** Normal form (PEP 440). */
  readonly version: string;
  readonly versionAsWritten: string;
  /** One line; empty where there is none. */
  readonly summary: string;
  /** The long description, from the body or the older field; empty where there is none. */
  readonly description: string;
  /** `text/markdown; charset=UTF-8`; null where it is not said, which means reStructuredText. */
  readonly descriptionContentType: string | null;
  readonly requiresPython: string | null;
  /** As written, not checked. */
  readonly requiresDist: readonly string[];
  readonly providesExtra: readonly string[];
  /** The SPDX expression, or the older free text. */
  readonly licence: string | null;
  readonly homePage: string | null;
  /** As written, `label, URL`. */
  readonly projectUrls: readonly string[];
  readonly classifiers: readonly string[];
}

export class MetadataError extends Error {
  override readonly name = "MetadataError";
}

/** The largest descriptions met are below 2 MiB. */
export const MAX_METADATA_BYTES = 8 * 1024 * 1024;

/**
 * Reads core metadata of any version 1.x or 2.x.
 * @throws MetadataError where it is too large, of a later major version, or has no valid name or version.
 */
export function parseMetadata(source: string | Uint8Array): CoreMetadata {
  if (source.length > MAX_METADATA_BYTES) {
    throw new MetadataError(`the metadata is larger than ${MAX_METADATA_BYTES} bytes`);
  }
  const { fields, body } = parseHeaderFields(source);
  const first = (field: string) => fields.get(field)?.[0] ?? "";
  const line = (field: string) => oneLine(first(field));
  const all = (field: string) =>
    (fields.get(field) ?? []).map(oneLine).filter((each) => each !== "");
  const metadataVersion = line("metadata-version") || "1.0";
  if (!/^[12]\.\d+$/.test(metadataVersion)) {
    throw new MetadataError(`Metadata-Version ${quote(metadataVersion)} is none that can be read`);
  }
  const nameAsWritten = line("name");
  if (!isValidName(nameAsWritten)) {
    throw new MetadataError(`Name ${quote(nameAsWritten)} is no valid project name`);
  }
  const versionAsWritten = line("version");
  const version = canonicalVersion(versionAsWritten);
  if (version === undefined) {
    throw new MetadataError(`Version ${quote(versionAsWritten)} is no valid version (PEP 440)`);
  }
  return {
    metadataVersion,
    name: canonicalName(nameAsWritten),
    nameAsWritten,
    version,
    versionAsWritten,
    summary: known(line("summary")),
    description: known(body.trim() === "" ? first("description") : body),
    descriptionContentType: line("description-content-type") || null,
    requiresPython: line("requires-python") || null,
    requiresDist: all("requires-dist"),
    providesExtra: all("provides-extra"),
    licence: line("license-expression") || known(first("license")) || null,
    homePage: known(line("home-page")) || null,
    projectUrls: all("project-url"),
    classifiers: all("classifier"),
  };
}

const oneLine = (value: string) => value.replace(/\s+/g, " ").trim();
/** What old setuptools wrote for a field that the project left out. */
const known = (value: string) => (value.trim() === "UNKNOWN" ? "" : value);
const quote = (value: string) => JSON.stringify(value.slice(0, 100));
