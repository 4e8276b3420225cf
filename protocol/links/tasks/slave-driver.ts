/** What is said to the Slave Driver by other tasks; its sessions are of its own branch, and say more. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { tokenSchema } from "../../model/build.ts";
import { logPartSchema, logPositionSchema, MAX_LOG_WAIT_MS } from "../../model/build-log.ts";
import { countSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";
import { newWorkSchema } from "./target-ids.ts";

export const slaveDriverProtocol = declareProtocol({
  name: "slave-driver",
  messages: {
    /** So many builds are ready for these targets; any may be when the list is empty. */
    WAKE: { body: z.object({ work: z.array(newWorkSchema.omit({ first: true })).max(1_000) }) },
    /**
     * What a slave has of a build's log, from a position on; `part` is null where it has none. Refusal codes:
     * `absent`, the slave is not connected or does not answer; `busy`, it is asked for too many logs now.
     */
    READ_LOG: {
      body: z.object({
        identity: z.string().max(200),
        slot: z.string().max(200),
        token: tokenSchema,
        position: logPositionSchema,
        waitMs: z.number().nonnegative().max(MAX_LOG_WAIT_MS),
      }),
      reply: logPartSchema.nullable(),
    },
    /** Slaves that are here now and whose targets are recorded. */
    COUNT: { reply: countSchema },
  },
});
export type ToSlaveDriver = MessagesOfProtocol<typeof slaveDriverProtocol>;
