/** The control link (`--control-queue`): what a monitor asks of the master. Local, no keys. */
import { z } from "zod";
import { tokenSchema } from "../model/build.ts";
import { logAnswerSchema, logPositionSchema, MAX_LOG_WAIT_MS } from "../model/build-log.ts";
import { packageReportSchema } from "../model/queue.ts";
import { versionSchema } from "../model/scalar.ts";
import { everythingSchema, historyQuestionSchema, historySchema } from "../model/statistics.ts";
import { farmReportSchema } from "../model/status.ts";
import {
  MOST_SLAVES_LISTED,
  slaveRowSchema,
  slavesAskedSchema,
  steeredSchema,
  steeringSchema,
} from "../model/steering.ts";
import { taskTreeSchema } from "../model/task-tree.ts";
import { textSchema } from "../model/text.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

const done = z.object({
  /** The tasks that it concerned. */
  tasks: z.array(z.string()),
  /** Parts of a split master that did not answer: whether their tasks obeyed is unknown. */
  silent: z.array(z.string()),
});

const toServer = {
  /** `task` is a task's name or a `*` pattern. */
  PAUSE: { body: z.object({ task: z.string().max(200) }), reply: done },
  RESUME: { body: z.object({ task: z.string().max(200) }), reply: done },
  /** Ends these tasks in order; RESUME starts them again. */
  QUIT_TASK: { body: z.object({ task: z.string().max(200) }), reply: done },
  /** Stops the master in order, with all its parts. */
  QUIT: { body: z.object({}), reply: z.object({}) },
  /** Every task, as it is now. */
  TREE: {
    body: z.object({}),
    reply: z.object({ tasks: taskTreeSchema, silent: z.array(z.string()) }),
  },
  REPORT: { body: z.object({}), reply: farmReportSchema },
  /**
   * A monitor that has come: everything that is known now. What happens from then on comes over the status
   * link, and what was before is asked for with HISTORY.
   */
  HELLO: { body: z.object({}), reply: everythingSchema },
  /** The history of figures, a page at a time. */
  HISTORY: { body: historyQuestionSchema, reply: historySchema },
  /** Why the versions of a package (or one of them) are on the queue or not. */
  EXPLAIN: {
    body: z.object({ package: textSchema(200), version: versionSchema.nullable() }),
    reply: packageReportSchema,
  },
  /**
   * The log of a build from a position on, a part at a time: of the build with this token, or of the one that the slave
   * of this label has in hand. While it runs the answer comes when there is more, at the latest after `waitMs`.
   */
  LOG: {
    body: z.object({
      token: tokenSchema.nullable(),
      slave: textSchema(200).nullable(),
      position: logPositionSchema,
      waitMs: z.number().nonnegative().max(MAX_LOG_WAIT_MS),
    }),
    reply: logAnswerSchema,
  },
  /** Slaves that are here, and those that were lately. */
  SLAVES: {
    body: z.object({}),
    reply: z.object({ slaves: z.array(slaveRowSchema).max(MOST_SLAVES_LISTED) }),
  },
  /** Has slaves do something now, also in the middle of a build; tells what was done to whom. */
  STEER: {
    body: z.object({ slaves: slavesAskedSchema, action: steeringSchema }),
    reply: z.object({ slaves: z.array(steeredSchema).max(MOST_SLAVES_LISTED) }),
  },
};
const toClient = {};

export const controlLink = declareLink({ name: "control", version: 1, toServer, toClient });
export type ControlQuestions = MessagesOf<typeof toServer>;
export type ControlAnswers = MessagesOf<typeof toClient>;
