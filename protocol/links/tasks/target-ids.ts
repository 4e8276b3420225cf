/** Targets, by their numbers in the database, and what is new to build for them: said by and to the Architect. */
import { z } from "zod";
import { countSchema, rowIdSchema } from "../../model/scalar.ts";

/** A farm has at most 500 targets (`db/slaves.ts`). */
export const targetIdsSchema = z.array(rowIdSchema).max(1_000);

/** `first` is the place in the target's queue of the first of them (`db/work.ts`). */
export const newWorkSchema = z.object({
  targetId: rowIdSchema,
  count: countSchema,
  first: z.object({ ord: z.int(), versionId: countSchema }),
});
