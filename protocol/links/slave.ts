/**
 * The slave link (`--slave-queue`): what a build slave and the Slave Driver say to each other.
 *
 * HELLO -> ACK, then IDLE -> BUILD | SLEEP | DIE, BUSY -> CONT | DONE, BUILT -> SEND for each file and
 * DONE at the end, HELD where that has to wait, SENT after a file, BYE on leaving. READ_LOG -> LOG_PART at any
 * time between. Who speaks is proven by the transport, so no
 * message carries an identity.
 */
import { z } from "zod";
import {
  buildOrderSchema,
  buildResultSchema,
  plainFilenameSchema,
  tokenSchema,
} from "../model/build.ts";
import {
  logPartSchema,
  logPositionSchema,
  MAX_LOG_PART_BYTES,
  MAX_LOG_WAIT_MS,
} from "../model/build-log.ts";
import { hostFactsSchema, hostStatsSchema } from "../model/host.ts";
import { targetSpecSchema } from "../model/target.ts";
import { textSchema } from "../model/text.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

const logQuestionNumber = z.number().int().nonnegative();

const toServer = {
  /** First in each session. Lists what the slave still holds, so that nothing is built twice. */
  HELLO: {
    body: z.object({
      /** The product's version; another one than the master's is refused. */
      version: z.string().max(50),
      label: textSchema(100),
      host: hostFactsSchema,
      targets: z.array(targetSpecSchema).min(1).max(20),
      /** The slave's own limit for one build. */
      timeoutMs: z.number().positive(),
      running: z.array(tokenSchema).max(100),
      finished: z.array(tokenSchema).max(1_000),
    }),
  },
  IDLE: { body: z.object({ stats: hostStatsSchema }) },
  /** Said every `busyIntervalMs` of the ACK; renews the lease. */
  BUSY: { body: z.object({ token: tokenSchema, stats: hostStatsSchema }) },
  /** What the runner of the build in hand says of it; news only, which may be lost. */
  STATUS: {
    body: z.object({ token: tokenSchema, status: textSchema(50), text: textSchema(500) }),
    lossy: true,
  },
  BUILT: { body: z.object({ token: tokenSchema, result: buildResultSchema }) },
  /** The slave has handed over the last byte that was asked of a file. */
  SENT: { body: z.object({ token: tokenSchema, filename: plainFilenameSchema }) },
  /** From `piw-slave --check`, before any HELLO: whether this master would take it, and what it needs to reach. */
  PROBE: {
    body: z.object({}),
    reply: z.object({
      version: z.string().max(50),
      upstreamIndex: z.string().max(2_000),
      farmIndex: z.string().max(2_000).nullable(),
    }),
  },
  /** Answers READ_LOG; null where this slave has no log of the build. */
  LOG_PART: {
    body: z.object({ question: logQuestionNumber, part: logPartSchema.nullable() }),
  },
  /** The slave leaves. What it runs is released at once; finished builds stay its own. */
  BYE: { body: z.object({ finished: z.array(tokenSchema).max(1_000) }) },
};

const toClient = {
  ACK: {
    body: z.object({
      /** The master's product version: a slave of another one leaves. */
      version: z.string().max(50),
      slaveId: z.number().int().positive(),
      /** Simple API of the followed index, where build dependencies come from. */
      upstreamIndex: z.string(),
      /** The farm's own Simple API; null where it serves none. */
      farmIndex: z.string().nullable(),
      busyIntervalMs: z.number().positive(),
      /** How often an idle slave should say IDLE without being woken. */
      idleIntervalMs: z.number().positive(),
    }),
  },
  BUILD: { body: buildOrderSchema },
  /**
   * Nothing to do: wait to be woken (CONT), or ask again after `idleIntervalMs`. With a reason it was put to sleep
   * and is given nothing until it is woken; said in the middle of a build, that goes on.
   */
  SLEEP: { body: z.object({ reason: z.string().max(500).nullable() }) },
  /** Idle: ask for work now. Busy: go on. */
  CONT: { body: z.object({}) },
  /** Hand over a file: be on the file link, until DONE, and answer what is asked there. */
  SEND: { body: z.object({ token: tokenSchema, filename: plainFilenameSchema }) },
  /**
   * The files of this finished build cannot be taken now, e.g. since the output disk is full. The master tries
   * again by itself; the slave keeps them, and asks for nothing new meanwhile.
   */
  HELD: { body: z.object({ token: tokenSchema, reason: z.string().max(1_000) }) },
  /**
   * What has a build said from this position on? Answered with the number of the question, later where there is
   * nothing yet; lost with the session, and then asked again. Nothing is said of a log that nobody reads.
   */
  READ_LOG: {
    body: z.object({
      question: logQuestionNumber,
      token: tokenSchema,
      position: logPositionSchema,
      maxBytes: z.number().int().positive().max(MAX_LOG_PART_BYTES),
      waitMs: z.number().nonnegative().max(MAX_LOG_WAIT_MS),
    }),
  },
  /**
   * Drop the build: stop it if it runs, empty its spool if it is finished. `ifRunning`: one that has finished
   * meanwhile is kept, and delivered.
   */
  DONE: { body: z.object({ token: tokenSchema, ifRunning: z.literal(true).optional() }) },
  /**
   * Leave. `final` says that coming back is of no use before a person has mended the cause; `now`, that what is
   * being built is of no use either.
   */
  DIE: {
    body: z.object({ reason: z.string().max(1_000), final: z.boolean(), now: z.boolean() }),
  },
};

export const slaveLink = declareLink({ name: "slave", version: 2, toServer, toClient });
/** What slaves say, with its schemas: for whoever makes such messages up. */
export { toServer as slaveMessages };
export type FromSlave = MessagesOf<typeof toServer>;
export type ToSlave = MessagesOf<typeof toClient>;
