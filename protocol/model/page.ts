/**
 * What the pages of the site say: db/ fills these, web/ renders them; and which page is meant. The views
 * are made in one query each and thrown away. Those of the package index are in simple-page.ts.
 */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema } from "./scalar.ts";

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
