/** A list of targets, by their numbers in the database: part of what is said about work. */
import { z } from "zod";
import { rowIdSchema } from "../../model/scalar.ts";

/** A farm has at most 500 targets (`db/slaves.ts`). */
export const targetIdsSchema = z.array(rowIdSchema).max(1_000);
