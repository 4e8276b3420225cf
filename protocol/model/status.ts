/** What the farm says of itself to those who watch: events, and the report that `--once` ends with. */
import { z } from "zod";
import { plainFilenameSchema, tokenSchema } from "./build.ts";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { orderSchema } from "./order.ts";
import {
  countSchema,
  durationSchema,
  instantSchema,
  projectNameSchema,
  rowIdSchema,
  versionSchema,
} from "./scalar.ts";
import { slaveFactsSchema, slaveNowSchema } from "./slave-now.ts";
import { farmStatisticsSchema, slaveFiguresSchema } from "./statistics.ts";

const subject = {
  token: tokenSchema,
  package: projectNameSchema,
  version: versionSchema,
  target: z.string().max(200),
};
const labelSchema = z.string().max(200);

/** A build that has ended and is settled, also one that was imported. */
export const endedBuildSchema = z.object({
  ...subject,
  slave: labelSchema,
  /** Of an import the row of whoever imported it: no slave that builds. */
  slaveId: rowIdSchema,
  cause: causeSchema,
  message: z.string().max(2_000),
  durationMs: durationSchema,
  /** In ms since 1970, by the clock of the master. */
  endedAt: instantSchema,
  files: z.array(plainFilenameSchema).max(100),
  /** Lines for people: files that should be looked at, and why; absent when there are none. */
  suspicious: z.array(z.string().max(2_000)).max(100).exactOptional(),
});
export type EndedBuild = Immutable<z.infer<typeof endedBuildSchema>>;

/** In one answer. */
export const MOST_ENDED_LISTED = 1_000;

/** One thing that happened, for monitors and the farm's own progress lines. */
export const farmEventSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("build-started"),
    ...subject,
    slave: labelSchema,
    slaveId: rowIdSchema,
  }),
  endedBuildSchema.extend({ kind: z.literal("build-ended") }),
  /** What the runner of a build says of it while it works: `Building`, `Blocked`, or a word of its own. */
  z.object({
    kind: z.literal("build-status"),
    ...subject,
    slave: labelSchema,
    slaveId: rowIdSchema,
    status: z.string().max(100),
    text: z.string().max(1_000),
  }),
  z.object({
    kind: z.literal("published"),
    package: projectNameSchema,
    filename: plainFilenameSchema,
  }),
  /** Every 10 s: what `HELLO` on the control link gives, but for the slaves. */
  farmStatisticsSchema.extend({ kind: z.literal("figures") }),
  /** What a slave said of its machine. */
  slaveFiguresSchema.extend({ kind: z.literal("host") }),
  /** What the master was ordered to do, and what became of it; refused ones too. */
  orderSchema.extend({ kind: z.literal("order") }),
  /**
   * A slave, whole, whenever anything of it changes. Changes are numbered within one life of the Slave Driver, in the order
   * in which they happened. `facts` come when it is greeted; null: as they were.
   */
  slaveNowSchema.extend({
    kind: z.literal("slave"),
    life: z.string().max(100),
    change: countSchema,
    facts: slaveFactsSchema.nullable(),
  }),
]);
export type FarmEvent = Immutable<z.infer<typeof farmEventSchema>>;

/** The state of one (version, target), or of a version that is on no queue. */
export const reportRowSchema = z.object({
  package: z.string(),
  version: z.string(),
  /** Empty for a version that was never queued. */
  target: z.string(),
  state: z.enum([
    "built",
    "imported",
    "failed",
    "blocked",
    "ready",
    "leased",
    "waiting",
    "skipped",
  ]),
  /** Why, in words; file names for what was built. */
  reason: z.string(),
  durationMs: z.number().nullable(),
});
export type ReportRow = Immutable<z.infer<typeof reportRowSchema>>;

export const farmReportSchema = z.object({
  /**
   * False while the database or the Slave Driver does not answer: then what they would say is zero or empty,
   * `followed` is false, and `troubles` names who is away.
   */
  isComplete: z.boolean(),
  /** Upstream has been read to its end, and every changed project has been recorded. */
  followed: z.boolean(),
  /** What tasks of the master are without now, e.g. `cloud-gazer: upstream: …`; empty when all is well. */
  troubles: z.array(z.string()),
  /** What tasks have refused since their processes began: keys, frames, messages out of order, files. */
  refused: z.array(z.object({ task: z.string(), why: z.string(), count: countSchema })),
  /** Slaves now connected. */
  slaves: z.number(),
  ready: z.number(),
  leased: z.number(),
  waiting: z.number(),
  blocked: z.number(),
  /** Files not yet placed and pages not yet written; the lists for the search, which may wait for minutes, aside. */
  unpublished: z.number(),
  /** Wanted requirements that no release upstream satisfies (or that are not there at all). */
  unsatisfied: z.array(z.string()),
  rows: z.array(reportRowSchema),
});
export type FarmReport = Immutable<z.infer<typeof farmReportSchema>>;
