/** What other tasks say to Control, beside what monitors ask it over the control link. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { diskRoomSchema } from "../../model/host.ts";
import type { Immutable } from "../../model/immutable.ts";
import { processVitalsSchema } from "../../model/metric-family.ts";
import { rowIdSchema } from "../../model/scalar.ts";
import { slaveNowStateSchema } from "../../model/slave-now.ts";
import { MOST_SLAVES_LISTED } from "../../model/sleeper.ts";
import { declareProtocol } from "../declare.ts";

const vitalsSchema = z.object({
  /** All processes of the master. */
  processes: z.array(processVitalsSchema).max(100),
  /** Parts of a split master that did not answer. */
  silent: z.array(z.string().max(200)).max(100),
  /** Slaves that are connected, or were; null where the Slave Driver does not answer. */
  slaves: z
    .array(z.object({ id: rowIdSchema, state: slaveNowStateSchema }))
    .max(MOST_SLAVES_LISTED)
    .nullable(),
  /** Of the output disk; null where nobody can say. */
  disk: diskRoomSchema.nullable(),
});
/** What tasks know that the database does not. */
export type Vitals = Immutable<z.infer<typeof vitalsSchema>>;

export const controlProtocol = declareProtocol({
  name: "control",
  messages: {
    /** Cloud Gazer, after each pass. Told rather than asked for, since it may be busy or paused. */
    FOLLOWING: { body: z.object({ isCaughtUp: z.boolean() }) },
    /** For /metrics. */
    VITALS: { reply: vitalsSchema },
  },
});
export type ToControl = MessagesOfProtocol<typeof controlProtocol>;
