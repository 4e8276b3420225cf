/**
 * What the pages, the JSON, the badge and the feed of one project say: db/views-project.ts fills these, web/pages/
 * renders them. A project has a head, and its releases in stretches: one of 5,000 files is never in one message.
 */
import { z } from "zod";
import { resolvedRequirementSchema, tokenSchema } from "./build.ts";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { downloadsSchema } from "./page.ts";
import { countSchema, durationSchema, instantSchema } from "./scalar.ts";

/**
 * The state of one (version, target). The words of the build queue are `ready`, `leased`, `waiting`, `blocked`.
 * - `imported`: its wheel was built elsewhere.
 * - `covered`: a file that was built for another target serves it too.
 * - `upstream`: upstream has a wheel for it, and the farm counts those.
 * - `excluded`: Requires-Python does not admit it.
 * - `behind`: it is not its turn; another target of the version goes first.
 * - `skipped`: it was being built when it was skipped, and is being dropped.
 */
export const releaseBuildStates = [
  "built",
  "imported",
  "covered",
  "upstream",
  "failed",
  "blocked",
  "ready",
  "leased",
  "waiting",
  "behind",
  "excluded",
  "skipped",
] as const;
const releaseBuildStateSchema = z.enum(releaseBuildStates);
export type ReleaseBuildState = z.infer<typeof releaseBuildStateSchema>;

const needSchema = z.object({
  /** As the build named it. */
  requirement: z.string(),
  /** Canonical, where it is a requirement at all. */
  name: z.string(),
  /** The farm has a page of that project. */
  isHere: z.boolean(),
});
export type Need = Immutable<z.infer<typeof needSchema>>;

const releaseBuildSchema = z.object({
  /** Name of the target. */
  target: z.string(),
  state: releaseBuildStateSchema,
  /** Of the last attempt; null where there was none. */
  cause: causeSchema.nullable(),
  /** One line that the last attempt left; "" where it left none. */
  message: z.string(),
  /** What a blocked build waits for. */
  needs: z.array(needSchema),
  /** Attempts that ended. */
  attempts: countSchema,
  /** Of the last attempt, in ms since 1970. */
  endedAt: instantSchema.nullable(),
  durationMs: durationSchema.nullable(),
  /** When a waiting build is tried again, in ms since 1970. */
  notBefore: instantSchema.nullable(),
  /** Token of the last build whose log is published; null when there is none. */
  logToken: tokenSchema.nullable(),
  /** What was installed to build it; null where that is not known, or where it is too much to tell. */
  resolved: z.array(resolvedRequirementSchema).nullable(),
});
export type ReleaseBuild = Immutable<z.infer<typeof releaseBuildSchema>>;

const projectFileSchema = z.object({
  filename: z.string(),
  sha256: z.string(),
  sizeBytes: countSchema,
  /** ABI tag of the target that it was built for: `cp311`. */
  builderAbi: z.string(),
  /** The specifiers as the wheel's metadata spells them; null when it has none. */
  requiresPython: z.string().nullable(),
  /** When the farm published it, in ms since 1970. */
  uploadedAt: instantSchema,
  /** System packages that hold the shared libraries it needs, as its builder's package manager names them. */
  systemPackages: z.array(z.string()),
  /** Requires-Dist of its metadata. */
  requiresDist: z.array(z.string()),
  /** What is odd about it, in words; null when nothing is. */
  suspicious: z.string().nullable(),
  /** Its provenance stands beside it (PEP 740). */
  isSigned: z.boolean(),
});
export type ProjectFile = Immutable<z.infer<typeof projectFileSchema>>;

const projectReleaseSchema = z.object({
  /** As upstream spells it. */
  version: z.string(),
  /** In ms since 1970; null where upstream does not say. */
  releasedAt: instantSchema.nullable(),
  isPrerelease: z.boolean(),
  /** Null: not yanked. Otherwise the reason, "" when none was given. */
  yanked: z.string().nullable(),
  /** Why the farm does not build it (`binary only`, an operator's words); null: it does. */
  skipReason: z.string().nullable(),
  /** False in a farm of a wanted set that nothing selects this release for. */
  isWanted: z.boolean(),
  /** The release's own, as upstream states it; null where it does not. */
  requiresPython: z.string().nullable(),
  /** At most one per target, in their order; a target without one shows as an empty cell. */
  builds: z.array(releaseBuildSchema),
  /** By name. Only placed ones. */
  files: z.array(projectFileSchema),
});
export type ProjectRelease = Immutable<z.infer<typeof projectReleaseSchema>>;

/** Releases of a message; the archive has as many on a page. */
export const RELEASES_A_STRETCH = 50;

export const projectReleasesSchema = z.array(projectReleaseSchema).max(RELEASES_A_STRETCH);

const projectTargetSchema = z.object({
  /** `cp311-linux_x86_64`. */
  name: z.string(),
  /** `3.11`. */
  pythonVersion: z.string(),
  abiTag: z.string(),
  platformTag: z.string(),
  /** Why nothing is built for it any more; null: it is. */
  skipReason: z.string().nullable(),
});
export type ProjectTarget = Immutable<z.infer<typeof projectTargetSchema>>;

const dependencySchema = z.object({
  /** Canonical. */
  name: z.string(),
  /** As its own metadata spells it, with extras and specifiers, without the marker. */
  text: z.string(),
  /** When it applies, without the condition on the extra; "" always. */
  marker: z.string(),
  /** The extra that asks for it; null: always needed. */
  extra: z.string().nullable(),
  isHere: z.boolean(),
});
export type Dependency = Immutable<z.infer<typeof dependencySchema>>;

/** `other`: the system is not known to have one of these. */
const packageManagerSchema = z.enum(["apt", "apk", "dnf", "zypper", "other"]);
export type PackageManager = z.infer<typeof packageManagerSchema>;

const chosenReleaseSchema = z.object({
  version: z.string(),
  requiresPython: z.string().nullable(),
  /** System packages that its wheels need, by the platform they were built on. */
  systemPackages: z.array(
    z.object({
      manager: packageManagerSchema,
      /** `Debian GNU/Linux 12`. */
      os: z.string(),
      names: z.array(z.string()),
    }),
  ),
  dependencies: z.array(dependencySchema),
  /** Requires-Dist that cannot be read, or goes beyond what is shown. */
  unreadDependencies: countSchema,
  /** What was installed to build its newest wheel; empty where that is not known. */
  builtWith: z.array(resolvedRequirementSchema),
});
export type ChosenRelease = Immutable<z.infer<typeof chosenReleaseSchema>>;

const queuePlaceSchema = z.object({
  version: z.string(),
  target: z.string(),
  /** Builds of its target before it; null: more than are counted. */
  before: countSchema.nullable(),
  /** Builds of the target that ended in the last hour. */
  hourly: countSchema,
});
export type QueuePlace = Immutable<z.infer<typeof queuePlaceSchema>>;

/** Builds before one in the queue are counted up to here. */
export const PLACES_COUNTED = 1_000;

export const projectPageSchema = z.object({
  /** Canonical name. */
  name: z.string(),
  /** The latest spelling upstream. */
  displayName: z.string(),
  /** Other spellings that the farm has met, and names that an operator gave it; none that is another project's. */
  spellings: z.array(z.string()),
  /** One line, "" when upstream gives none. */
  summary: z.string(),
  /** The project's own page upstream; null when it has none. Not trusted: only http(s) becomes a link. */
  upstreamUrl: z.string().nullable(),
  /** Where a project that the farm does not have is looked up: its name goes after it. Null: nowhere. */
  upstreamBase: z.string().nullable(),
  /** Why the whole package is not built; null: it is. */
  skipReason: z.string().nullable(),
  /** Columns of the table, in rank order. */
  targets: z.array(projectTargetSchema),
  releaseCount: countSchema,
  fileCount: countSchema,
  /** Of all files. */
  sizeBytes: countSchema,
  /** Something of it was built, or tried. */
  isAttempted: z.boolean(),
  /** The release that an installer would choose of those that have files; null where there are none. */
  chosen: chosenReleaseSchema.nullable(),
  /** Of the newest release that is queued. */
  places: z.array(queuePlaceSchema),
  downloads: downloadsSchema,
  /** Days of UTC in ms since 1970, those with downloads in the last 90 days, oldest first. */
  downloadDays: z.array(z.object({ at: instantSchema, downloads: countSchema })),
  /** The database's clock. */
  asOf: instantSchema,
});
/** The head of a project, also of one that has nothing built yet. */
export type ProjectPage = Immutable<z.infer<typeof projectPageSchema>>;

const projectBuildSchema = z.object({
  token: tokenSchema,
  version: z.string(),
  target: z.string(),
  cause: causeSchema,
  message: z.string(),
  /** In ms since 1970. */
  endedAt: instantSchema,
  durationMs: durationSchema.nullable(),
  hasLog: z.boolean(),
});
export const projectBuildsSchema = z.array(projectBuildSchema);
/** One attempt, as the project's feed tells of it. */
export type ProjectBuild = Immutable<z.infer<typeof projectBuildSchema>>;
