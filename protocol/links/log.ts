/**
 * The log link (`--log-queue`): piw-logger hands access-log records to Lumberjack. Local, no keys.
 *
 * A piw-logger says its batches in the order of their sequences, and keeps each until STORED or REFUSED covers it.
 * It says nothing before READY, and at each READY says all that it keeps again: Lumberjack says it to whoever
 * connects, to all when it was restarted itself, and where a batch is missing. So nothing has to time out.
 */
import { z } from "zod";
import { accessBatchSchema, accessPlaceSchema } from "../model/access.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

const sequence = z.int().positive();

const toServer = {
  RECORDS: { body: accessPlaceSchema.extend({ batch: accessBatchSchema }) },
};
const toClient = {
  READY: { body: z.object({}) },
  /** This batch and all before it are committed. */
  STORED: { body: z.object({ sequence }) },
  /** The database will never take this one; what comes after it has to be said again. */
  REFUSED: { body: z.object({ sequence, reason: z.string().max(1_000) }) },
};

/** What loggers say, with its schemas: for whoever makes such messages up. */
export { toServer as logMessages };
export const logLink = declareLink({ name: "log", version: 1, toServer, toClient });
export type LogRecords = MessagesOf<typeof toServer>;
export type LogAnswers = MessagesOf<typeof toClient>;
