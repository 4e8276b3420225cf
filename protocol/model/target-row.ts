/** A target as `piw target` shows and changes it: said over the import link, stored by `db/targets.ts`. */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { countSchema } from "./scalar.ts";
import { operatorReasonSchema } from "./skip-reason.ts";
import { targetSpecSchema } from "./target.ts";

/** Lower ones are built for first. A slave's own: major times 1,000 and minor of its Python. */
export const targetRankSchema = z.int().min(0).max(1_000_000);

export const targetRowSchema = z.object({
  name: z.string(),
  rank: z.int(),
  /** The whole version of its Python. */
  python: z.string(),
  skip: z.string().nullable(),
  /** A slave that serves it was heard of lately. */
  isActive: z.boolean(),
  /** The queue is being computed for it. */
  isComputing: z.boolean(),
  /** That ever said they serve it, and did not say otherwise since. */
  slaves: countSchema,
  tags: countSchema,
  ready: countSchema,
  leased: countSchema,
  waiting: countSchema,
  blocked: countSchema,
});
export type TargetRow = Immutable<z.infer<typeof targetRowSchema>>;

export const targetChangeSchema = z.object({
  name: targetSpecSchema.shape.name,
  /** `reason` null: it is built for again. */
  skip: z.object({ reason: operatorReasonSchema.nullable() }).nullable(),
  rank: targetRankSchema.nullable(),
});

export const targetChangedSchema = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("unknown"), known: z.array(z.string()) }),
  z.object({ outcome: z.literal("changed"), isChanged: z.boolean() }),
]);
