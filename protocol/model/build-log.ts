/**
 * A build's log as it is read, part by part. A position counts the bytes that the build has said, whether or not
 * they were kept, so it means the same while the build runs and when its log is a file whose middle was cut out.
 */
import { z } from "zod";
import { tokenSchema } from "./build.ts";
import type { Immutable } from "./immutable.ts";

/** Largest part that may be asked for or given. */
export const MAX_LOG_PART_BYTES = 65_536;
/** Longest that an answer waits for there to be more. */
export const MAX_LOG_WAIT_MS = 30_000;

export const logPositionSchema = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

export const logPartSchema = z.object({
  /** As it was asked for. */
  position: logPositionSchema,
  /** What lies between `position` and `data` was cut out of the log. */
  skippedBytes: logPositionSchema,
  data: z.instanceof(Uint8Array).refine((data) => data.length <= MAX_LOG_PART_BYTES, "too long"),
  nextPosition: logPositionSchema,
  /** The build has said all, and this is the last of it. */
  isEnd: z.boolean(),
});
export type LogPart = Immutable<z.infer<typeof logPartSchema>>;

/** Whether a part answers a question, and is what it says of itself. */
export const isPartOf = (part: LogPart, position: number, maxBytes: number): boolean =>
  part.position === position &&
  part.data.length <= maxBytes &&
  part.nextPosition === position + part.skippedBytes + part.data.length;

/** A build as whoever asks for its log is told. */
export const loggedBuildSchema = z.object({
  token: tokenSchema,
  package: z.string(),
  version: z.string(),
  target: z.string(),
  /** The label of the slave that has or had it. */
  slave: z.string(),
  /** `lost`: its lease ended without a result. */
  phase: z.enum(["running", "ended", "lost"]),
  cause: z.string().nullable(),
});
export type LoggedBuild = Immutable<z.infer<typeof loggedBuildSchema>>;

/** What is said to whoever asks for a log. */
export const logAnswerSchema = z.object({
  /** Null where there is no such build, or where several are meant: `trouble` says so. */
  build: loggedBuildSchema.nullable(),
  /** Null: there is nothing to give, and `trouble` says why. */
  part: logPartSchema.nullable(),
  trouble: z.string().nullable(),
  /** The same question may have another answer later. */
  isForNow: z.boolean(),
});
export type LogAnswer = Immutable<z.infer<typeof logAnswerSchema>>;
