/** A build as it is ordered and as it is reported: what crosses between master and slave. */
import { z } from "zod";
import { causeSchema } from "./cause.ts";
import type { Immutable } from "./immutable.ts";
import { durationSchema } from "./scalar.ts";
import { textSchema } from "./text.ts";

/** Lower-case hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** The fencing number of a lease; a PostgreSQL bigint, which stays below 2^53 for as long as anyone builds. */
export const tokenSchema = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
export type Token = number;

/** A file name as it may stand in a folder: no separator, no parent, not hidden. */
export const plainFilenameSchema = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._+!-]*$/);

export const sdistSchema = z.object({
  filename: plainFilenameSchema,
  url: z.string().max(4_000),
  sha256: sha256Schema,
  /** Unknown (null) where the index does not say. */
  sizeBytes: z.number().int().nonnegative().nullable(),
});
export type Sdist = Immutable<z.infer<typeof sdistSchema>>;

/** What BUILD says: one lease. */
export const buildOrderSchema = z.object({
  token: tokenSchema,
  /** Canonical name. */
  package: z.string().max(200),
  version: z.string().max(200),
  /** Name of the target to build for. */
  target: z.string().max(200),
  sdist: sdistSchema,
  /** PEP 427 build tag for a rebuild; null for a first build. */
  buildTag: z.string().max(40).nullable(),
});
export type BuildOrder = Immutable<z.infer<typeof buildOrderSchema>>;

/** A file that a slave holds for a build. */
export const builtFileSchema = z.object({
  filename: plainFilenameSchema,
  sizeBytes: z.number().int().nonnegative(),
  sha256: sha256Schema,
  /** System packages that hold the shared libraries it needs; empty where they cannot be told. */
  aptDependencies: z.array(textSchema(200)).max(1_000),
});
export type BuiltFile = Immutable<z.infer<typeof builtFileSchema>>;

/** The log travels as one more file under this name. */
export const LOG_FILENAME = "build.log";

/** A distribution that was installed for a build; the hash is that of its file, where pip tells it. */
export const resolvedRequirementSchema = z.object({
  /** Canonical. */
  name: textSchema(200),
  version: textSchema(200),
  sha256: sha256Schema.nullable(),
});
export type ResolvedRequirement = Immutable<z.infer<typeof resolvedRequirementSchema>>;
export const MAX_RESOLVED = 500;

/** What a build ran in, as its slave says. Limits by name, such as `memoryBytes`; null: not limited. */
export const buildEnvironmentSchema = z.object({
  runner: textSchema(200),
  sandbox: textSchema(50),
  /** `index`, `full` or `none`. */
  network: textSchema(50),
  limits: z.record(z.string().max(50), z.number().nonnegative().nullable()),
});
export type BuildEnvironment = Immutable<z.infer<typeof buildEnvironmentSchema>>;

/** A runner may put a build off for as long as this. */
export const MAX_DEFER_MS = 7 * 24 * 3_600_000;

export const buildResultSchema = z.object({
  cause: causeSchema,
  /** One line for people, e.g. the last error of the log. */
  message: textSchema(2_000),
  /** Requirements that were not found; only with `dependency-missing`. */
  missing: z.array(textSchema(500)).max(100),
  /** What the sdist and its back-end say it needs to be built, whatever came of the build; absent where that is not known. */
  buildRequires: z.array(textSchema(500)).max(200).exactOptional(),
  /** What was installed to build it, in this order; absent where that is not known. */
  resolved: z.array(resolvedRequirementSchema).max(MAX_RESOLVED).exactOptional(),
  /** What it ran in; absent where it did not come to run. */
  environment: buildEnvironmentSchema.exactOptional(),
  /** Not to be tried again before so long; only with `deferred`. */
  retryAfterMs: durationSchema.max(MAX_DEFER_MS).exactOptional(),
  durationMs: durationSchema,
  files: z.array(builtFileSchema).max(100),
  log: z.object({ sizeBytes: z.number().int().nonnegative(), sha256: sha256Schema }),
});
export type BuildResult = Immutable<z.infer<typeof buildResultSchema>>;
