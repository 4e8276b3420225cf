/**
 * What the pages of the whole farm say: home, queue, statistics, feeds, and what the search looks through. db/
 * fills these (views-farm.ts, views-queue.ts, views-statistics.ts), web/pages/ renders them.
 */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { buildRuleSchema } from "./queue.ts";
import { countSchema, durationSchema, instantSchema } from "./scalar.ts";

const downloadsSchema = z.object({
  /** The present day and the 29 before it, days of UTC. */
  last30Days: countSchema,
  ever: countSchema,
});

const recentBuildSchema = z.object({
  token: tokenSchema,
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
  /** The token again; null when its log is not published. */
  logToken: tokenSchema.nullable(),
});
export type RecentBuild = Immutable<z.infer<typeof recentBuildSchema>>;
export const recentBuildsSchema = z.array(recentBuildSchema);

/** A part of a history: a row per step, oldest first. Steps of which nothing is known are not there. */
export const seriesSchema = z.array(
  z.object({
    at: instantSchema,
    /** In the order in which they were asked for; null: not measured. */
    values: z.array(z.number().nullable()),
  }),
);
export type Series = Immutable<z.infer<typeof seriesSchema>>;

const dayCountsSchema = z.array(z.object({ at: instantSchema, count: countSchema }));
/** By days of UTC, oldest first; days without any are not there. */
export type DayCounts = Immutable<z.infer<typeof dayCountsSchema>>;

/** Farm figures that the plots of a day, a week and a year show, in this order. */
export const plottedFigures = [
  "buildsLastHour",
  "failuresLastHour",
  "ready",
  "waiting",
  "blocked",
  "leased",
  "sizeBytes",
] as const;

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
  /** Build slots of the machines that were heard of within the last hour. */
  slaves: countSchema,
  downloads: downloadsSchema,
  /** Newest first; twenty are plenty. */
  recentBuilds: recentBuildsSchema,
  /** The last 24 hours: `plottedFigures` by 5 minutes. */
  day: seriesSchema,
  /** The last 30 days. */
  downloadsByDay: dayCountsSchema,
});
/** The numbers of the whole farm at one instant. */
export type HomePage = Immutable<z.infer<typeof homePageSchema>>;

const queuedBuildSchema = z.object({
  package: z.string(),
  version: z.string(),
  priority: z.int(),
  /** In ms since 1970; null where it is not known. */
  releasedAt: instantSchema.nullable(),
  /** Bucket of downloads: about 2 to this power. */
  popularity: countSchema,
});
export type QueuedBuild = Immutable<z.infer<typeof queuedBuildSchema>>;

const targetQueueSchema = z.object({
  target: z.string(),
  ready: countSchema,
  leased: countSchema,
  /** Slots of slaves that serve it, were heard of within the last hour and are awake. */
  slaves: countSchema,
  /** How many builds of it are expected to end in an hour; null where nothing tells. */
  buildsPerHour: z.number().nullable(),
  /** The first of them. */
  next: z.array(queuedBuildSchema),
});
export type TargetQueue = Immutable<z.infer<typeof targetQueueSchema>>;

export const queuePageSchema = z.object({
  asOf: instantSchema,
  /** What is first among builds of the same priority. */
  rule: buildRuleSchema,
  queue: homePageSchema.shape.queue,
  /** Longest first. */
  building: z.array(
    z.object({
      package: z.string(),
      version: z.string(),
      target: z.string(),
      slave: z.string(),
      since: instantSchema,
      /** A try-out of a slave that failed too much: nothing of it is published. */
      isTrial: z.boolean(),
    }),
  ),
  /** Those with something to do, in rank order. */
  targets: z.array(targetQueueSchema),
  /** Names that builds wait for, those that hold up most first. */
  blockers: z.array(
    z.object({
      name: z.string(),
      /** Versions that wait for it. */
      versions: countSchema,
      /** One of the requirements that cannot be had. */
      requirement: z.string(),
      /** The farm knows a project of that name. */
      isKnown: z.boolean(),
    }),
  ),
  /** Soonest first. */
  retries: z.array(
    z.object({
      package: z.string(),
      version: z.string(),
      target: z.string(),
      cause: z.string(),
      attempts: countSchema,
      at: instantSchema,
    }),
  ),
});
export type QueuePage = Immutable<z.infer<typeof queuePageSchema>>;

const targetStatisticsSchema = z.object({
  name: z.string(),
  /** Why nothing is built for it; null: it is. */
  skip: z.string().nullable(),
  slaves: countSchema,
  packages: countSchema,
  versionsBuilt: countSchema,
  files: countSchema,
  sizeBytes: countSchema,
  failed: countSchema,
  ready: countSchema,
  /** Of all attempts; null before the first one. */
  meanBuildMs: durationSchema.nullable(),
});
export type TargetStatistics = Immutable<z.infer<typeof targetStatisticsSchema>>;

const causeCountsSchema = z.object({
  cause: causeSchema,
  last24Hours: countSchema,
  /** The present day and the 29 before it, days of UTC. */
  last30Days: countSchema,
});

/** What downloads are told apart by; the words of `access_day`. */
export const downloadAspects = ["python", "arch", "installer", "distro"] as const;
export type DownloadAspect = (typeof downloadAspects)[number];

export const statisticsPageSchema = z.object({
  asOf: instantSchema,
  /** By rank. */
  targets: z.array(targetStatisticsSchema),
  slaves: countSchema,
  /** Most in 30 days first. */
  causes: z.array(causeCountsSchema),
  /** Of the builds that stand. */
  slowest: z.array(
    z.object({
      package: z.string(),
      version: z.string(),
      target: z.string(),
      durationMs: durationSchema,
    }),
  ),
  /** Of the published files. */
  largest: z.array(z.object({ package: z.string(), filename: z.string(), sizeBytes: countSchema })),
  /** Of 30 days, most first; what is not among them is `others`. */
  downloads: z.array(
    z.object({
      aspect: z.enum(downloadAspects),
      values: z.array(z.object({ value: z.string(), count: countSchema })),
      others: countSchema,
    }),
  ),
  /** Of where the files are; null before the first look. */
  disk: z.object({ freeBytes: z.number(), sizeBytes: z.number() }).nullable(),
  /** `plottedFigures` of a day by 5 minutes, a week by hours, a year by days. */
  day: seriesSchema,
  week: seriesSchema,
  year: seriesSchema,
  /** The last 365 days. */
  downloadsByDay: dayCountsSchema,
});
export type StatisticsPage = Immutable<z.infer<typeof statisticsPageSchema>>;

/** Per package with a published file, by name: downloads of 30 days, and ever. */
export const searchListSchema = z.array(z.tuple([z.string(), countSchema, countSchema]));
export type SearchList = Immutable<z.infer<typeof searchListSchema>>;
