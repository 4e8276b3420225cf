/**
 * Orders that a running master was given: by whom, what, and what became of it. Said on the control link, told to
 * those who watch as an event, kept in the database.
 */
import { z } from "zod";
import type { Immutable } from "./immutable.ts";
import { instantSchema, rowIdSchema } from "./scalar.ts";
import { textSchema } from "./text.ts";

/** Who says that they give it, such as `alice@host piw pause`. Nothing proves it; `via` is what was proved. */
export const orderedBySchema = z.string().min(1).max(200).pipe(textSchema(200));

export const logLevelSchema = z.enum(["error", "warn", "info", "debug", "trace"]);
export type LogLevel = z.infer<typeof logLevelSchema>;

/** What each order is answered with. */
export const obeyedSchema = z.object({
  /** False: refused, of no effect, or in part; `outcome` says which. */
  isDone: z.boolean(),
  /** In a few words, for people. */
  outcome: z.string().max(1_000),
});
export type Obeyed = Immutable<z.infer<typeof obeyedSchema>>;

export const orderSchema = obeyedSchema.extend({
  at: instantSchema,
  by: z.string().max(200),
  /** How it came: `local`, or `key NAME`, the name of the key that was proved. */
  via: z.string().max(200),
  /** As `piw` would be told, such as `pause scribe`. */
  what: z.string().max(500),
});
export type Order = Immutable<z.infer<typeof orderSchema>>;

/** As the database has it. */
export const keptOrderSchema = orderSchema.extend({ id: rowIdSchema });
export type KeptOrder = Immutable<z.infer<typeof keptOrderSchema>>;

/** In one answer. */
export const MOST_ORDERS_LISTED = 1_000;

/** The log level of one process of the master, and of tasks of it that have another one. */
export const partLogLevelsSchema = z.object({
  part: z.string().max(200),
  level: logLevelSchema,
  /** By name or pattern; the last that fits counts. `level` null: as it was configured. */
  tasks: z
    .array(z.object({ task: z.string().max(200), level: logLevelSchema.nullable() }))
    .max(1_000),
});
export type PartLogLevels = Immutable<z.infer<typeof partLogLevelsSchema>>;
