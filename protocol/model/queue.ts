/** The build queue as people choose it and ask about it: its rule, and where each build of a package stands. */
import { z } from "zod";
import { MAX_RESOLVED, resolvedRequirementSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema } from "./scalar.ts";

/** Which of the ready builds comes first, among those of one priority. */
export const buildRules = ["newest", "oldest", "popular"] as const;
export const buildRuleSchema = z.enum(buildRules);

/** Whether a target that upstream has a wheel for needs no build. */
export const upstreamWheelsSchema = z.enum(["count", "ignore"]);

export const standingStates = [
  "ready",
  "leased",
  "waiting",
  "blocked",
  "behind",
  "built",
  "failed",
  "upstream",
  "skipped",
  "unwanted",
  "no-sdist",
  "excluded",
  "cancelled",
  "pending",
] as const;

/** Where one (version, target) stands, and why. */
const standingSchema = z.object({
  version: z.string(),
  /** Empty for what concerns all targets. */
  target: z.string(),
  state: z.enum(standingStates),
  /** Why, in words. */
  reason: z.string(),
  /** Of a ready one in the queue of its target, from 1; null beyond `positionsCounted`. */
  position: countSchema.nullable(),
  /**
   * What was installed to build it, the last time that somebody could tell; null where nobody could, and where no version was
   * asked for by name.
   */
  resolved: z.array(resolvedRequirementSchema).max(MAX_RESOLVED).nullable(),
});
export type Standing = Immutable<z.infer<typeof standingSchema>>;

/** Why the versions of one package are on the queue or not. */
export const packageReportSchema = z.object({
  package: z.string(),
  isKnown: z.boolean(),
  /** Names that begin alike, for one that is not known. */
  similar: z.array(z.string()),
  /** Versions of the package; `standings` is of the newest of them, or of the one that was asked for. */
  versions: countSchema,
  standings: z.array(standingSchema),
  /** There would be more standings. */
  isCut: z.boolean(),
  /** Positions are counted up to here. */
  positionsCounted: countSchema,
});
export type PackageReport = Immutable<z.infer<typeof packageReportSchema>>;
