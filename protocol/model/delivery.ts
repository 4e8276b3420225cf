/**
 * The way of a finished build into the farm: what its token stands for, and what came of its files. Said
 * between slave sessions, File Juggler and the database.
 */
import { z } from "zod";
import { builtFileSchema, plainFilenameSchema, sha256Schema, tokenSchema } from "./build.ts";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema, projectNameSchema, rowIdSchema, versionSchema } from "./scalar.ts";
import { targetSpecSchema } from "./target.ts";

/** What a token stands for. */
export const deliverySchema = z.object({
  token: tokenSchema,
  /** Who holds the files: the slave that built them, or a tool that imports them. */
  source: z.enum(["slave", "import"]),
  slaveId: rowIdSchema,
  slaveIdentity: z.string().max(200),
  slaveSlot: z.string().max(200),
  package: projectNameSchema,
  version: versionSchema,
  target: targetSpecSchema.shape.name,
  /** Tags that the target's interpreter admits; of an import, those of its wheels that some target does. */
  targetTags: targetSpecSchema.shape.tags,
  /** That the wheels must have; an import may bring any. */
  buildTag: z.string().max(40).nullable(),
  isSettled: z.boolean(),
});
export type Delivery = Immutable<z.infer<typeof deliverySchema>>;

/** A wheel that passed all checks and lies in the blobs. */
export const verifiedFileSchema = z.object({
  filename: plainFilenameSchema,
  sha256: sha256Schema,
  sizeBytes: countSchema,
  tags: z.array(z.string().max(255)).max(10_000),
  requiresPython: z.string().max(2_000).nullable(),
  requiresDist: z.array(z.string().max(10_000)).max(10_000),
  aptDependencies: builtFileSchema.shape.aptDependencies,
  metadataSha256: sha256Schema,
  /** What is odd about it, in words; null when nothing is. */
  suspicious: z.string().max(1_000).nullable(),
});
export type VerifiedFile = Immutable<z.infer<typeof verifiedFileSchema>>;

/** Longest reason for refusing a file; the build's message takes no longer one. */
export const MAX_REFUSAL_LENGTH = 2_000;

export const collectedSchema = z.object({
  /** Verified and stored as blobs. */
  files: z.array(verifiedFileSchema).max(100),
  log: z.object({ sha256: sha256Schema, sizeBytes: countSchema }).nullable(),
  /**
   * Why a file was refused, in one line; null when all passed. The cause is `bad-wheel` for what does
   * not pass, `slave-lost` where the slave does not have it (any more).
   */
  refusal: z.object({ cause: causeSchema, message: z.string().max(MAX_REFUSAL_LENGTH) }).nullable(),
});
/** What came of a build's files. */
export type Collected = Immutable<z.infer<typeof collectedSchema>>;
