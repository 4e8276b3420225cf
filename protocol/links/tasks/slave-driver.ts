/** What is said to the Slave Driver by other tasks; its sessions are of its own branch, and say more. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { tokenSchema } from "../../model/build.ts";
import { logPartSchema, logPositionSchema, MAX_LOG_WAIT_MS } from "../../model/build-log.ts";
import type { Immutable } from "../../model/immutable.ts";
import { countSchema, rowIdSchema } from "../../model/scalar.ts";
import { whereaboutsSchema } from "../../model/slave-now.ts";
import { MOST_SLAVES_LISTED } from "../../model/sleeper.ts";
import { slavesAskedSchema, steeringSchema } from "../../model/steering.ts";
import { declareProtocol } from "../declare.ts";
import { newWorkSchema } from "./target-ids.ts";

export const presenceSchema = z.object({
  slaveId: rowIdSchema,
  label: z.string().max(200),
  phase: z.enum(["idle", "building", "delivering", "cleaning"]),
  /** The build in hand. */
  running: tokenSchema.nullable(),
});
/** What a connected slave does, as its session knows. */
export type Presence = Immutable<z.infer<typeof presenceSchema>>;

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
    /**
     * The master is about to stop: nothing more is given out or taken. Answers how many builds are still being
     * delivered by slaves that are here.
     */
    DRAIN: { reply: countSchema },
    /** What each of them does now, and those that were here. */
    WHEREABOUTS: { reply: whereaboutsSchema },
    /** Kills those that are here and meant, with all jobs of their processes: without the database nobody else knows them. */
    KILL: {
      body: z.object({ slaves: slavesAskedSchema, reason: z.string().max(500) }),
      reply: z.array(presenceSchema).max(MOST_SLAVES_LISTED),
    },
    /** Tells those of them that are here; the others are not in the answer. */
    STEER: {
      body: z.object({
        slaveIds: z.array(rowIdSchema).max(MOST_SLAVES_LISTED),
        action: steeringSchema,
        /** What the slaves are told. */
        reason: z.string().max(500),
      }),
      reply: z.array(presenceSchema).max(MOST_SLAVES_LISTED),
    },
  },
});
export type ToSlaveDriver = MessagesOfProtocol<typeof slaveDriverProtocol>;
