/** What the farm says of itself to those who watch: events, and the report that `--once` ends with. */
import { z } from "zod";
import { causeSchema } from "./cause.ts";

/** One thing that happened, for monitors and the farm's own progress lines. */
export const farmEventSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("build-started"),
    package: z.string(),
    version: z.string(),
    target: z.string(),
    slave: z.string(),
  }),
  z.object({
    kind: z.literal("build-ended"),
    package: z.string(),
    version: z.string(),
    target: z.string(),
    cause: causeSchema,
    message: z.string(),
    durationMs: z.number(),
    files: z.array(z.string()),
  }),
  z.object({ kind: z.literal("published"), package: z.string(), filename: z.string() }),
  z.object({ kind: z.literal("slave"), label: z.string(), state: z.enum(["here", "gone"]) }),
]);
export type FarmEvent = z.infer<typeof farmEventSchema>;

/** The state of one (version, target), or of a version that is on no queue. */
export const reportRowSchema = z.object({
  package: z.string(),
  version: z.string(),
  /** Empty for a version that was never queued. */
  target: z.string(),
  state: z.enum(["built", "failed", "blocked", "ready", "leased", "waiting", "skipped"]),
  /** Why, in words; file names for what was built. */
  reason: z.string(),
  durationMs: z.number().nullable(),
});
export type ReportRow = z.infer<typeof reportRowSchema>;

export const farmReportSchema = z.object({
  /** Upstream has been read to its end, and every changed project has been recorded. */
  followed: z.boolean(),
  /** What tasks of the master are without now, e.g. `cloud-gazer: upstream: …`; empty when all is well. */
  troubles: z.array(z.string()),
  /** Slaves now connected. */
  slaves: z.number(),
  ready: z.number(),
  leased: z.number(),
  waiting: z.number(),
  blocked: z.number(),
  /** Files not yet placed and pages not yet written. */
  unpublished: z.number(),
  /** Wanted requirements that no release upstream satisfies (or that are not there at all). */
  unsatisfied: z.array(z.string()),
  rows: z.array(reportRowSchema),
});
export type FarmReport = z.infer<typeof farmReportSchema>;
