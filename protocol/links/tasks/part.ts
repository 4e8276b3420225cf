/** What the main part of a split master says to each of the others: the orders of monitors. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { processVitalsSchema } from "../../model/metric-family.ts";
import { logLevelSchema, partLogLevelsSchema } from "../../model/order.ts";
import { taskTreeSchema } from "../../model/task-tree.ts";
import { declareProtocol } from "../declare.ts";

/** A task's name, or a pattern with `*`. */
const order = {
  body: z.object({ task: z.string().max(200) }),
  reply: z.array(z.string().max(200)),
};

export const partProtocol = declareProtocol({
  name: "part",
  messages: {
    /** Each answers with the tasks that it concerned. */
    PAUSE: order,
    RESUME: order,
    /** Ends tasks in order; RESUME starts them again. */
    QUIT_TASK: order,
    /** Stops the whole part in order. */
    QUIT: {},
    /** `sessions`: also the children of dynamic supervisors, of which there may be thousands; else they are summed up. */
    TREE: { body: z.object({ sessions: z.boolean() }), reply: taskTreeSchema },
    /** As Control is asked; null is all tasks, or as it was configured. Each answers with the tasks that it concerned. */
    LOG_LEVEL: {
      body: order.body.extend({
        task: z.string().max(200).nullable(),
        level: logLevelSchema.nullable(),
      }),
      reply: order.reply,
    },
    LOG_LEVELS: { reply: partLogLevelsSchema },
    /** For /metrics. */
    VITALS: { reply: processVitalsSchema },
  },
});
export type ToPart = MessagesOfProtocol<typeof partProtocol>;
