/**
 * One project of the Simple API as a view: db/views-simple.ts fills it, web/index/ renders it as HTML and
 * as JSON. Made for one page and thrown away.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema } from "./scalar.ts";

export const simpleFileSchema = z.object({
  filename: z.string(),
  /** The release's version in its canonical form (PEP 440), as PEP 700 lists it. */
  version: z.string(),
  /** Lower-case hexadecimal. */
  sha256: z.string(),
  sizeBytes: countSchema,
  /** The specifiers as the wheel's metadata spells them; null when it has none. */
  requiresPython: z.string().nullable(),
  /** Of the `.metadata` file that stands beside the wheel; null when there is none to advertise. */
  metadataSha256: z.string().nullable(),
  /** Of the `.provenance` file that stands beside the wheel; null when there is none (PEP 740). */
  provenanceSha256: z.string().nullable(),
  /** Null: not yanked. Otherwise the reason, "" when none was given (PEP 592). */
  yanked: z.string().nullable(),
  /** When the farm published it, in ms since 1970. */
  uploadedAt: instantSchema,
});
/** A published file as the Simple API lists it. Only files that are placed may stand here. */
export type SimpleFile = Immutable<z.infer<typeof simpleFileSchema>>;

export const upstreamFileSchema = z.object({
  filename: z.string().max(255),
  version: z.string().max(255),
  /** Absolute, http or https, without a fragment. */
  url: z.string().max(4_000),
  sha256: z.string().max(64).nullable(),
  sizeBytes: countSchema.nullable(),
  requiresPython: z.string().max(2_000).nullable(),
  /** Of the file at `url` and `.metadata`; "" where it is there and its hash is not said; null where it is not. */
  metadataSha256: z.string().max(64).nullable(),
  /** Absolute. */
  provenanceUrl: z.string().max(4_000).nullable(),
  yanked: z.string().max(2_000).nullable(),
  uploadedAt: instantSchema.nullable(),
});
/** An sdist or wheel of the followed index, which lies there and stays there. */
export type ListedUpstreamFile = Immutable<z.infer<typeof upstreamFileSchema>>;

/** PEP 792. `active` is what a project is that nothing is said of. */
export const projectStatuses = ["archived", "quarantined", "deprecated"] as const;
export const projectStatusSchema = z.object({
  status: z.enum(projectStatuses),
  /** As upstream words it; "" where it does not. */
  reason: z.string().max(1_000),
});
export type ProjectStatus = Immutable<z.infer<typeof projectStatusSchema>>;

/** Addresses of project pages (PEP 708). */
export const locationsSchema = z.array(z.string().max(4_000)).max(100);

/** One project of the Simple API. A project without files has no page: a 404 lets clients look at their next index. */
export interface SimpleProjectPage {
  /** Canonical name. */
  readonly name: string;
  /**
   * By version, oldest first, then by file name: the order in which they are listed. Empty for a project
   * that upstream has quarantined: nothing of it may be offered.
   */
  readonly files: readonly SimpleFile[];
  /** What the followed index says of it; null for a project of the farm's own. */
  readonly upstream: {
    /** The pages that own the name. */
    readonly tracks: readonly string[];
    readonly alternateLocations: readonly string[];
    readonly status: ProjectStatus | null;
    /** Its own files where the farm lists them too (`--merge-upstream`), without those that `files` has. */
    readonly files: readonly ListedUpstreamFile[];
  } | null;
}
