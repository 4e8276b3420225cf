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

/** `downloads`: the project pages of those packages that were downloaded lately, for their counts. */
export const rebuildKindSchema = z.enum(["simple", "project", "downloads"]);

export const pageRebuildSchema = z.object({
  kind: rebuildKindSchema,
  /** Who or what asked for it, in words. */
  reason: z.string(),
  /** Pages of the packages up to this name are in place. */
  after: z.string(),
  done: countSchema,
  /** As many packages as there were when it began. */
  total: countSchema,
  startedAt: instantSchema,
  /** Null: it is under way. */
  endedAt: instantSchema.nullable(),
});
/** The pages of all packages, made again in the background. */
export type PageRebuild = Immutable<z.infer<typeof pageRebuildSchema>>;

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

/**
 * The state of one (version, target). `imported`: its wheel was built elsewhere. `covered`: a file that was built for another target, or one
 * that upstream has, serves it too. The other words are the build queue's and the report's.
 */
const releaseBuildStateSchema = z.enum([
  "built",
  "imported",
  "covered",
  "failed",
  "blocked",
  "ready",
  "leased",
  "waiting",
  "skipped",
]);
export type ReleaseBuildState = z.infer<typeof releaseBuildStateSchema>;

const releaseBuildSchema = z.object({
  /** Name of the target. */
  target: z.string(),
  state: releaseBuildStateSchema,
  /** Why, in words, for people; "" where the state says it all. */
  reason: z.string(),
  /** Token of the last build whose log is published; null when there is none. */
  logToken: tokenSchema.nullable(),
});
export type ReleaseBuild = Immutable<z.infer<typeof releaseBuildSchema>>;

const projectReleaseSchema = z.object({
  /** As upstream spells it. */
  version: z.string(),
  /** In ms since 1970; null where upstream does not say. */
  releasedAt: instantSchema.nullable(),
  isPrerelease: z.boolean(),
  /** Null: not yanked. Otherwise the reason, "" when none was given. */
  yanked: z.string().nullable(),
  /** Why the farm does not build it (`binary only`, `deleted`, an operator's words); null: it does. */
  skipReason: z.string().nullable(),
  /** At most one per target; a target without one shows as an empty cell. */
  builds: z.array(releaseBuildSchema),
});
export type ProjectRelease = Immutable<z.infer<typeof projectReleaseSchema>>;

const downloadsSchema = z.object({
  /** The present day and the 29 before it, days of UTC. */
  last30Days: countSchema,
  ever: countSchema,
});
/** Wheels fetched, as the access logs say; zeros where none is fed to the farm. */
export type Downloads = Immutable<z.infer<typeof downloadsSchema>>;

const projectFileSchema = z.object({
  filename: z.string(),
  version: z.string(),
  sha256: z.string(),
  sizeBytes: countSchema,
  requiresPython: z.string().nullable(),
  yanked: z.string().nullable(),
  isPrerelease: z.boolean(),
  /** In ms since 1970. */
  uploadedAt: instantSchema,
  /** System packages that hold the shared libraries it needs. */
  aptDependencies: z.array(z.string()),
  /** What is odd about it, in words; null when nothing is. */
  suspicious: z.string().nullable(),
});
export type ProjectFile = Immutable<z.infer<typeof projectFileSchema>>;

export const projectPageSchema = z.object({
  /** Canonical name. */
  name: z.string(),
  /** The latest spelling upstream. */
  displayName: z.string(),
  /** One line, "" when upstream gives none. */
  summary: z.string(),
  /** The project's own page upstream; null when it has none. Not trusted: only http(s) becomes a link. */
  upstreamUrl: z.string().nullable(),
  /** Why the whole package is not built; null: it is. */
  skipReason: z.string().nullable(),
  /** Columns of the table, in rank order. */
  targets: z.array(z.string()),
  /** Newest version first. */
  releases: z.array(projectReleaseSchema),
  /** Newest version first, then by file name. Only placed files. */
  files: z.array(projectFileSchema),
  downloads: downloadsSchema,
});
/** The page of one project, also of one that has nothing built yet. */
export type ProjectPage = Immutable<z.infer<typeof projectPageSchema>>;

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
