/** Hooks: what happens is told to commands and webhooks of an operator's own. Said between the herald and `db/`. */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { countSchema, instantSchema, rowIdSchema } from "./scalar.ts";

export const hookNameSchema = z.string().min(1).max(50);

/** One event for one hook, to be delivered. */
export const hookDeliverySchema = z.object({
  id: rowIdSchema,
  hook: hookNameSchema,
  /** The same for each try: receivers tell repetitions by it. */
  eventId: z.string(),
  event: z.string(),
  madeAt: instantSchema,
  /** That failed. */
  tries: countSchema,
  /** What happened: package, version, target, build, message, and so on, as far as it has them. */
  body: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
});
export type HookDelivery = Immutable<z.infer<typeof hookDeliverySchema>>;
