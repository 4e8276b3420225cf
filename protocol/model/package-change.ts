/**
 * What the command line tools may change of a package or of some of its versions, and what came of it: said
 * over the import link, stored by `db/packages.ts` and `db/removal.ts`.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema, projectNameSchema, versionSchema } from "./scalar.ts";
import { operatorReasonSchema } from "./skip-reason.ts";
import { textSchema } from "./text.ts";

/** A package by any of its spellings, and some of its versions; the package itself where there are none. */
export const subjectSchema = z.object({
  package: projectNameSchema,
  versions: z.array(versionSchema).max(1_000),
});

/** As large as `ord` has room for: see db/work.ts. */
export const MAX_PRIORITY = 1_000;

export const packageChangeSchema = subjectSchema.extend({
  /** Records what the farm does not know. It has no source: it is for piw-import. */
  isCreation: z.boolean(),
  /** `reason` null takes a skip back. */
  skip: z.object({ reason: operatorReasonSchema.nullable() }).nullable(),
  /** Of versions only. `reason` may be empty (PEP 592); null takes a yank back. */
  yank: z.object({ reason: textSchema(500).nullable() }).nullable(),
  /** Further spellings that lead to the package. */
  aliases: z.array(projectNameSchema).max(50),
  /** Empty: what upstream says counts again. */
  summary: textSchema(1_000).nullable(),
  /** Of versions only. */
  releasedAt: instantSchema.nullable(),
  /** Of a package: for the versions that it has and for those to come. */
  priority: z.int().min(-MAX_PRIORITY).max(MAX_PRIORITY).nullable(),
});
export type PackageChange = Immutable<z.infer<typeof packageChangeSchema>>;

export const removalSchema = subjectSchema.extend({
  /** Only builds and files: what is removed is built again. */
  isOfBuildsOnly: z.boolean(),
  /** Keeps it out, also when upstream lists it again. */
  skip: operatorReasonSchema.nullable(),
});

const unknownSchema = z.object({
  outcome: z.literal("unknown"),
  /** The versions that the farm does not know; empty where it does not know the package. */
  versions: z.array(z.string()),
});

const queueEffect = {
  /** Builds that are on the queue now, of the package. */
  pending: countSchema,
  /** Builds that slaves are busy with and are told to drop. */
  dropped: countSchema,
};

export const changedSchema = z.discriminatedUnion("outcome", [
  unknownSchema,
  /** An alias is, or leads to, another package. */
  z.object({ outcome: z.literal("taken"), alias: z.string(), package: z.string() }),
  z.object({
    outcome: z.literal("changed"),
    package: z.string(),
    /** Versions that it concerned. */
    versions: countSchema,
    created: countSchema,
    /** What upstream's own words still keep from being built: `1.0: deleted`. At most ten. */
    remaining: z.array(z.string()),
    ...queueEffect,
  }),
]);
export type Changed = Immutable<z.infer<typeof changedSchema>>;

export const removedSchema = z.discriminatedUnion("outcome", [
  unknownSchema,
  z.object({
    outcome: z.literal("removed"),
    package: z.string(),
    versions: countSchema,
    builds: countSchema,
    files: countSchema,
    /** Of the wanted set. */
    requirements: countSchema,
    ...queueEffect,
  }),
]);
export type Removed = Immutable<z.infer<typeof removedSchema>>;

/** What the farm knows of a subject, for prompts; the counts are of what it names. */
export const lookUpSchema = z.object({
  found: z
    .object({
      package: z.string(),
      isLocal: z.boolean(),
      skip: z.string().nullable(),
      versions: countSchema,
      /** Published by the farm. */
      files: countSchema,
      pending: countSchema,
      leased: countSchema,
      /** Requirements of the wanted set that name it. */
      requirements: countSchema,
    })
    .nullable(),
  /** Versions asked for that it does not know. */
  missing: z.array(z.string()),
  /** Versions asked for that were removed, by upstream or by hand. */
  removed: z.array(z.string()),
  /** Names like an unknown package's, or versions of the package where one is missing. */
  candidates: z.array(z.string()),
});
export type LookUp = Immutable<z.infer<typeof lookUpSchema>>;
