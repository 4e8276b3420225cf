/**
 * What the index and the pages of the site say: db/ fills these, web/ renders them; and which page is
 * meant. The views are made in one query each and thrown away.
 */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema, durationSchema, instantSchema } from "./scalar.ts";

/**
 * `simple` and `project` have a package's name as key; `root`, `home` and `search` (the list that is
 * searched, not a page to look at) the empty string.
 */
export const pageKindSchema = z.enum(["simple", "root", "project", "home", "search"]);
export type PageKind = z.infer<typeof pageKindSchema>;

export const pageRequestSchema = z.object({
  kind: pageKindSchema,
  key: z.string().max(1_000),
  /** Raised when the page is asked for again while it is being written. */
  generation: countSchema,
});
export type PageRequest = Immutable<z.infer<typeof pageRequestSchema>>;

const simpleFileSchema = z.object({
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
  /** Null: not yanked. Otherwise the reason, "" when none was given (PEP 592). */
  yanked: z.string().nullable(),
  /** When the farm published it, in ms since 1970. */
  uploadedAt: instantSchema,
});
/** A published file as the Simple API lists it. Only files that are placed may stand here. */
export type SimpleFile = Immutable<z.infer<typeof simpleFileSchema>>;

export const simpleProjectPageSchema = z.object({
  /** Canonical name. */
  name: z.string(),
  /** By version, oldest first, then by file name: the order in which they are listed. */
  files: z.array(simpleFileSchema).min(1),
});
/**
 * One project of the Simple API. A project without files has no page (a 404 lets clients look at
 * their next index), so `files` is not empty.
 */
export type SimpleProjectPage = Immutable<z.infer<typeof simpleProjectPageSchema>>;

/** Wheels fetched, as the access logs say; zeros where none is fed to the farm. */
export const downloadsSchema = z.object({
  /** The present day and the 29 before it, days of UTC. */
  last30Days: countSchema,
  ever: countSchema,
});

const recentBuildSchema = z.object({
  /** Canonical name. */
  package: z.string(),
  version: z.string(),
  target: z.string(),
  cause: causeSchema,
  /** One line for people, "" when there is nothing to add to the cause. */
  message: z.string(),
  /** In ms since 1970. */
  endedAt: instantSchema,
  durationMs: durationSchema,
  /** Null when its log is not published. */
  logToken: tokenSchema.nullable(),
});
export type RecentBuild = Immutable<z.infer<typeof recentBuildSchema>>;

export const homePageSchema = z.object({
  /** The database's clock when the numbers were taken, in ms since 1970. */
  asOf: instantSchema,
  /** Packages with at least one published file. */
  packages: countSchema,
  /** Versions with at least one published file. */
  versionsBuilt: countSchema,
  files: countSchema,
  filesSizeBytes: countSchema,
  /** Rows of the build queue by state. */
  queue: z.object({
    ready: countSchema,
    leased: countSchema,
    waiting: countSchema,
    blocked: countSchema,
  }),
  /** (version, target) pairs whose last attempt failed and stands. */
  failed: countSchema,
  /** Attempts that ended, and versions that came to be known. */
  buildsLastHour: countSchema,
  newVersionsLastHour: countSchema,
  downloads: downloadsSchema,
  /** Newest first; twenty are plenty. */
  recentBuilds: z.array(recentBuildSchema),
});
/** The numbers of the whole farm at one instant. */
export type HomePage = Immutable<z.infer<typeof homePageSchema>>;

/** Per package with a published file, by name: downloads of 30 days, and ever. */
export const searchListSchema = z.array(z.tuple([z.string(), countSchema, countSchema]));
