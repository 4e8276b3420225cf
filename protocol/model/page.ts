/**
 * What the index and the pages of the site say: db/ fills these, web/ renders them. They are views,
 * made in one query each and thrown away; nothing here is kept or sent between processes.
 */
import type { Cause } from "./cause.ts";

/** A published file as the Simple API lists it. Only files that are placed may stand here. */
export interface SimpleFile {
  readonly filename: string;
  /** The release's version in its canonical form (PEP 440), as PEP 700 lists it. */
  readonly version: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The specifiers as the wheel's metadata spells them; null when it has none. */
  readonly requiresPython: string | null;
  /** Of the `.metadata` file that stands beside the wheel; null when there is none to advertise. */
  readonly metadataSha256: string | null;
  /** Null: not yanked. Otherwise the reason, "" when none was given (PEP 592). */
  readonly yanked: string | null;
  /** When the farm published it. */
  readonly uploadedAt: Date;
}

/**
 * One project of the Simple API. A project without files has no page (a 404 lets clients look at
 * their next index), so `files` is not empty.
 */
export interface SimpleProjectPage {
  /** Canonical name. */
  readonly name: string;
  /** By version, oldest first, then by file name: the order in which they are listed. */
  readonly files: readonly SimpleFile[];
}

/**
 * The state of one (version, target). `covered`: a file that was built for another target, or one
 * that upstream has, serves it too. The other words are the build queue's and the report's.
 */
export type ReleaseBuildState =
  | "built"
  | "covered"
  | "failed"
  | "blocked"
  | "ready"
  | "leased"
  | "waiting"
  | "skipped";

export interface ReleaseBuild {
  /** Name of the target. */
  readonly target: string;
  readonly state: ReleaseBuildState;
  /** Why, in words, for people; "" where the state says it all. */
  readonly reason: string;
  /** Token of the last build whose log is published; null when there is none. */
  readonly logToken: number | null;
}

export interface ProjectRelease {
  /** As upstream spells it. */
  readonly version: string;
  readonly releasedAt: Date | null;
  readonly isPrerelease: boolean;
  /** Null: not yanked. Otherwise the reason, "" when none was given. */
  readonly yanked: string | null;
  /** Why the farm does not build it (`binary only`, `deleted`, an operator's words); null: it does. */
  readonly skipReason: string | null;
  /** At most one per target; a target without one shows as an empty cell. */
  readonly builds: readonly ReleaseBuild[];
}

export interface ProjectFile {
  readonly filename: string;
  readonly version: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly requiresPython: string | null;
  readonly yanked: string | null;
  readonly isPrerelease: boolean;
  readonly uploadedAt: Date;
  /** System packages that hold the shared libraries it needs. */
  readonly aptDependencies: readonly string[];
}

/** The page of one project, also of one that has nothing built yet. */
export interface ProjectPage {
  /** Canonical name. */
  readonly name: string;
  /** The latest spelling upstream. */
  readonly displayName: string;
  /** One line, "" when upstream gives none. */
  readonly summary: string;
  /** The project's own page upstream; null when it has none. Not trusted: only http(s) becomes a link. */
  readonly upstreamUrl: string | null;
  /** Why the whole package is not built; null: it is. */
  readonly skipReason: string | null;
  /** Columns of the table, in rank order. */
  readonly targets: readonly string[];
  /** Newest version first. */
  readonly releases: readonly ProjectRelease[];
  /** Newest version first, then by file name. Only placed files. */
  readonly files: readonly ProjectFile[];
}

export interface RecentBuild {
  /** Canonical name. */
  readonly package: string;
  readonly version: string;
  readonly target: string;
  readonly cause: Cause;
  /** One line for people, "" when there is nothing to add to the cause. */
  readonly message: string;
  readonly endedAt: Date;
  readonly durationMs: number;
  /** Null when its log is not published. */
  readonly logToken: number | null;
}

/** The numbers of the whole farm at one instant. */
export interface HomePage {
  /** The database's clock when the numbers were taken. */
  readonly asOf: Date;
  /** Packages with at least one published file. */
  readonly packages: number;
  /** Versions with at least one published file. */
  readonly versionsBuilt: number;
  readonly files: number;
  readonly filesSizeBytes: number;
  /** Rows of the build queue by state. */
  readonly queue: {
    readonly ready: number;
    readonly leased: number;
    readonly waiting: number;
    readonly blocked: number;
  };
  /** (version, target) pairs whose last attempt failed and stands. */
  readonly failed: number;
  /** Newest first; twenty are plenty. */
  readonly recentBuilds: readonly RecentBuild[];
}
