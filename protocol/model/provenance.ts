/**
 * What the farm knows of how a published wheel came to be: `db/` reads it, `web/provenance/` makes the
 * statement of it that is signed. What a slave said is kept apart from what the master saw or checked.
 */
import { z } from "zod";
import { buildEnvironmentSchema, resolvedRequirementSchema, tokenSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";
import { countSchema, durationSchema, instantSchema, rowIdSchema } from "./scalar.ts";

export const provenanceFactsSchema = z.object({
  fileId: rowIdSchema,
  filename: z.string(),
  sha256: z.string(),
  package: z.string(),
  version: z.string(),
  token: tokenSchema,
  isImport: z.boolean(),
  /** In ms since 1970: when the build was handed out, and when its end was stored. */
  startedAt: instantSchema,
  finishedAt: instantSchema,
  target: z.string(),
  buildTag: z.string().nullable(),
  /** That the slave was told to build; null where that was not kept. Its address only while upstream still has it. */
  sdist: z
    .object({ sha256: z.string(), filename: z.string().nullable(), url: z.string().nullable() })
    .nullable(),
  /** The key that the slave has proved, or `local:…` where links have no keys. */
  slaveIdentity: z.string(),
  /** The programs' version; null where it may have been another one by then. */
  productVersion: z.string().nullable(),
  log: z.object({ token: tokenSchema, sha256: z.string() }).nullable(),
  /** What the slave said. */
  said: z.object({
    durationMs: durationSchema.nullable(),
    environment: buildEnvironmentSchema.nullable(),
    resolved: z.array(resolvedRequirementSchema).nullable(),
  }),
});
export type ProvenanceFacts = Immutable<z.infer<typeof provenanceFactsSchema>>;

/** One step of signing what has no provenance. */
export const signedStepSchema = z.object({
  signed: countSchema,
  /** That could not be signed; the master's log says why. */
  left: countSchema,
  /** The last file that was looked at; null when none was left. */
  next: countSchema.nullable(),
});
export type SignedStep = Immutable<z.infer<typeof signedStepSchema>>;
