/**
 * The control link (`--control-queue`): what monitors and tools ask of the master. An order says who gives it (`by`), is
 * refused to a key that may only watch, and is kept; the rest are questions.
 */
import { z } from "zod";
import { tokenSchema } from "../model/build.ts";
import { logAnswerSchema, logPositionSchema, MAX_LOG_WAIT_MS } from "../model/build-log.ts";
import {
  keptOrderSchema,
  logLevelSchema,
  MOST_ORDERS_LISTED,
  obeyedSchema,
  orderedBySchema,
  partLogLevelsSchema,
} from "../model/order.ts";
import { packageReportSchema } from "../model/queue.ts";
import { rowIdSchema, versionSchema } from "../model/scalar.ts";
import { whereaboutsSchema } from "../model/slave-now.ts";
import { MOST_SLAVES_LISTED } from "../model/sleeper.ts";
import { everythingSchema, historyQuestionSchema, historySchema } from "../model/statistics.ts";
import { endedBuildSchema, farmReportSchema, MOST_ENDED_LISTED } from "../model/status.ts";
import {
  slaveRowSchema,
  slavesAskedSchema,
  steeredSchema,
  steeringSchema,
} from "../model/steering.ts";
import { taskTreeSchema } from "../model/task-tree.ts";
import { textSchema } from "../model/text.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

/** A task's name, or a pattern with `*`. */
const taskSchema = textSchema(200);
/** Parts of a split master that did not answer. */
const silentSchema = z.array(z.string());

const taskOrder = {
  body: z.object({ task: taskSchema, by: orderedBySchema }),
  reply: obeyedSchema.extend({
    /** The tasks that it concerned. */
    tasks: z.array(z.string()),
    /** Whether their tasks obeyed is unknown. */
    silent: silentSchema,
  }),
};

const orders = {
  PAUSE: taskOrder,
  RESUME: taskOrder,
  /** Ends these tasks in order; RESUME starts them again. */
  QUIT_TASK: taskOrder,
  /** Stops the master in order, with all its parts. */
  QUIT: { body: z.object({ by: orderedBySchema }), reply: obeyedSchema },
  /** Has slaves do something now, also in the middle of a build; tells what was done to whom. */
  STEER: {
    body: z.object({ slaves: slavesAskedSchema, action: steeringSchema, by: orderedBySchema }),
    reply: obeyedSchema.extend({ slaves: z.array(steeredSchema).max(MOST_SLAVES_LISTED) }),
  },
  /**
   * How much is logged, until the processes end: by all tasks (null) or by some, from now on. Level null: as it was
   * configured; for all tasks that also ends what was ordered for some.
   */
  LOG_LEVEL: {
    body: z.object({
      task: taskSchema.nullable(),
      level: logLevelSchema.nullable(),
      by: orderedBySchema,
    }),
    reply: taskOrder.reply,
  },
};

const questions = {
  /**
   * Every task, as it is now. `sessions`: also each slave's session and each transfer, of which there may be thousands; else
   * they are summed up.
   */
  TREE: {
    body: z.object({ sessions: z.boolean() }),
    reply: z.object({ tasks: taskTreeSchema, silent: silentSchema }),
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
    reply: z.object({
      slaves: z.array(slaveRowSchema).max(MOST_SLAVES_LISTED),
      /** What the Slave Driver knows of them; the events of slaves go on from there. */
      whereabouts: whereaboutsSchema,
    }),
  },
  /** Builds that have ended, the last first. */
  ENDED: {
    body: z.object({ limit: z.int().positive().max(MOST_ENDED_LISTED) }),
    reply: z.object({ builds: z.array(endedBuildSchema).max(MOST_ENDED_LISTED) }),
  },
  /** What it was ordered to do, the latest first: those before one, or the last. */
  ORDERS: {
    body: z.object({
      limit: z.int().positive().max(MOST_ORDERS_LISTED),
      before: rowIdSchema.nullable(),
    }),
    reply: z.object({ orders: z.array(keptOrderSchema).max(MOST_ORDERS_LISTED) }),
  },
  /** How much each process logs now. */
  LOG_LEVELS: {
    body: z.object({}),
    reply: z.object({ parts: z.array(partLogLevelsSchema), silent: silentSchema }),
  },
};

const toServer = { ...orders, ...questions };
const toClient = {};

export const controlLink = declareLink({ name: "control", version: 2, toServer, toClient });
export type ControlQuestions = MessagesOf<typeof toServer>;
export type ControlOrders = MessagesOf<typeof orders>;
/** What needs the right to control; the rest may be asked by all who may watch. */
export const isOrder = (type: string): type is keyof ControlOrders => Object.hasOwn(orders, type);
export type ControlAnswers = MessagesOf<typeof toClient>;
