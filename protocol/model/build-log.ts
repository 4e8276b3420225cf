/**
 * A build's log as it is read, part by part. A position counts the bytes that the build has said, whether or not
 * they were kept, so it means the same while the build runs and when its log is a file whose middle was cut out.
 */
import { z } from "zod";
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
