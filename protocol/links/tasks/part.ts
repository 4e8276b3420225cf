/** What the main part of a split master says to each of the others: the orders of monitors. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { processVitalsSchema } from "../../model/metric-family.ts";
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
    TREE: { reply: taskTreeSchema },
    /** For /metrics. */
    VITALS: { reply: processVitalsSchema },
  },
});
export type ToPart = MessagesOfProtocol<typeof partProtocol>;
