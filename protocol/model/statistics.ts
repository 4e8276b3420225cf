/**
 * The farm's figures: what is measured, of what, and how long it is kept. Big Brother gathers them, the
 * database keeps their history (0003-statistics.sql), monitors are sent them.
 *
 * The names of a kind are also the places of its arrays in the history: new ones are added at the end.
 */
import { z } from "zod";
import { type HostStats, hostStatsSchema } from "./host.ts";
import type { Immutable } from "./immutable.ts";
import { instantSchema, rowIdSchema } from "./scalar.ts";

/** Of one target. Builds count for the target that they were made for, and so do their files. */
const targetFigureNames = [
  // The build queue by state.
  "ready",
  "leased",
  "waiting",
  "blocked",
  // Attempts that ended, well or not, and those that ended otherwise than built.
  "buildsLastHour",
  "failuresLastHour",
  "builds",
  // Attempts whose failure stands.
  "failed",
  // What is published.
  "packages",
  "versionsBuilt",
  "files",
  "sizeBytes",
  // Of all attempts together.
  "buildTimeMs",
] as const;

const farmFigureNames = [
  ...targetFigureNames,
  // Versions that are known, and those that came to be known.
  "versions",
  "newVersionsLastHour",
  // Slaves that said something lately.
  "slaves",
  // Null where no access logs are kept.
  "downloadsLastHour",
  "downloads30Days",
  "downloads",
] as const;

const hostFigureNames = [
  "diskFreeBytes",
  "diskSizeBytes",
  "memoryFreeBytes",
  "memorySizeBytes",
  "swapFreeBytes",
  "swapSizeBytes",
  "loadAverage",
  "temperatureC",
] as const;

export const subjectKinds = ["farm", "target", "slave", "master"] as const;
export const subjectKindSchema = z.enum(subjectKinds);
export type SubjectKind = z.infer<typeof subjectKindSchema>;

/** The figures of each kind of subject, in the order of the history's arrays. */
export const figureNames = {
  farm: farmFigureNames,
  target: targetFigureNames,
  slave: hostFigureNames,
  master: hostFigureNames,
} as const satisfies Record<SubjectKind, readonly string[]>;

const figureSchema = z.number().nullable();
const figuresSchema = <N extends string>(names: readonly N[]) =>
  z.object(
    Object.fromEntries(names.map((name) => [name, figureSchema])) as Record<N, typeof figureSchema>,
  );

export const farmFiguresSchema = figuresSchema(farmFigureNames);
export type FarmFigures = Immutable<z.infer<typeof farmFiguresSchema>>;
export const targetFiguresSchema = z.object({
  id: rowIdSchema,
  name: z.string().max(200),
  figures: figuresSchema(targetFigureNames),
});
export type TargetFigures = Immutable<z.infer<typeof targetFiguresSchema>>;

/** A step of the history. Each is made from the one before it. */
export interface HistoryStep {
  readonly stepS: 10 | 300 | 3600;
  /** Infinity: for ever. */
  readonly keepMs: number;
}
const HOUR_MS = 3_600_000;
export const historySteps = [
  { stepS: 10, keepMs: HOUR_MS },
  { stepS: 300, keepMs: 7 * 24 * HOUR_MS },
  { stepS: 3600, keepMs: Number.POSITIVE_INFINITY },
] as const satisfies readonly HistoryStep[];
export const stepSchema = z.literal([10, 300, 3600]);

/** The host figures that a slave said last. */
export const slaveFiguresSchema = z.object({
  slaveId: rowIdSchema,
  label: z.string().max(200),
  stats: hostStatsSchema,
  /** In ms since 1970, by the clock of the master. */
  heardAt: instantSchema,
});
export type SlaveFigures = Immutable<z.infer<typeof slaveFiguresSchema>>;

/** Slaves whose figures are kept and told; those that were silent longest go first. */
export const MAX_SLAVES = 5_000;

export const farmStatisticsSchema = z.object({
  /** When the farm's figures were taken, by the database's clock; null before the first time. */
  asOf: instantSchema.nullable(),
  farm: farmFiguresSchema.nullable(),
  /** By rank. */
  targets: z.array(targetFiguresSchema).max(1_000),
  /** Disk: where the output lies; the rest: where Big Brother runs. Null before the first time. */
  master: hostStatsSchema.nullable(),
  /** Why no builds are given out; null when they are. */
  resting: z.string().max(500).nullable(),
});
/** What is known now, but for the slaves. */
export type FarmStatistics = Immutable<z.infer<typeof farmStatisticsSchema>>;

export const everythingSchema = farmStatisticsSchema.extend({
  /** The master's clock, whose instants these are but for the database's. */
  nowAt: instantSchema,
  /** Since when the process runs that says this. */
  upSinceAt: instantSchema,
  slaves: z.array(slaveFiguresSchema).max(MAX_SLAVES),
});
export type Everything = Immutable<z.infer<typeof everythingSchema>>;

/** A row of the history: the figures of a subject over one step. */
export const historyPointSchema = z.object({
  /** The id of a target or slave; 0 for farm and master. */
  subject: z.int().nonnegative(),
  /** The beginning of the step, in ms since 1970. */
  at: instantSchema,
  samples: z.int().positive(),
  average: z.array(figureSchema).max(100),
  /** Null where there was one sample. */
  maximum: z.array(figureSchema).max(100).nullable(),
});
export type HistoryPoint = Immutable<z.infer<typeof historyPointSchema>>;

/** A subject's figures as the arrays of the history have them. */
export function figureRow<K extends SubjectKind>(
  kind: K,
  figures: Readonly<Record<(typeof figureNames)[K][number], number | null>>,
): (number | null)[] {
  const names: readonly (typeof figureNames)[K][number][] = figureNames[kind];
  return names.map((name) => figures[name]);
}

/** What could not be measured is no 0 in the history. */
export function hostRow(stats: HostStats): (number | null)[] {
  const isTold = stats.diskSizeBytes > 0;
  return figureRow("master", {
    ...stats,
    diskFreeBytes: isTold ? stats.diskFreeBytes : null,
    diskSizeBytes: isTold ? stats.diskSizeBytes : null,
  });
}

/** Rows of one answer; who wants more asks again from where it ended. */
export const MAX_POINTS = 10_000;
export const historyQuestionSchema = z.object({
  kind: subjectKindSchema,
  /** One target or slave; null: all of them. */
  subject: z.int().nonnegative().nullable(),
  stepS: stepSchema,
  /** Rows after this one, in order of time and subject; null: from the oldest. */
  after: z.object({ at: instantSchema, subject: z.int().nonnegative() }).nullable(),
});
export const historySchema = z.object({
  points: z.array(historyPointSchema).max(MAX_POINTS),
  /** There are more after the last one. */
  isMore: z.boolean(),
});
