/** What is said to the Architect: slave sessions ask for builds, the listener hears of work. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { buildOrderSchema, tokenSchema } from "../../model/build.ts";
import { rowIdSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";
import { newWorkSchema, targetIdsSchema } from "./target-ids.ts";

export const architectProtocol = declareProtocol({
  name: "architect",
  messages: {
    /** The next build for a slave that holds `holding` and nothing else; null when there is none. */
    LEASE: {
      body: z.object({
        slaveId: rowIdSchema,
        targetIds: targetIdsSchema,
        holding: z.array(tokenSchema).max(10_000),
      }),
      reply: buildOrderSchema.nullable(),
    },
    /** Whether the slave still has the lease of this token. Answered once per batch. */
    RENEW: { body: z.object({ token: tokenSchema, slaveId: rowIdSchema }), reply: z.boolean() },
    /** So many builds are ready for these targets, the first at a place; any may be when the list is empty. */
    WAKE: { body: z.object({ work: z.array(newWorkSchema).max(1_000) }) },
    /** Why no builds may be given out now; null: they may. Said again and again, as long as it is so. */
    REST: { body: z.object({ reason: z.string().max(500).nullable() }) },
    /** The master is about to stop: no build is leased from now on. */
    END_HANDOUTS: {},
    /** A target came that the queue has not been computed for. */
    TARGETS_CHANGED: {},
  },
});
export type ToArchitect = MessagesOfProtocol<typeof architectProtocol>;
