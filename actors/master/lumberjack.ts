/**
 * Lumberjack: stores access-log records that piw-loggers hand over, one batch after the other, and tells each
 * what is committed. Now and then it has the log tended: partitions ahead, months that expired. Being without the
 * database is a state in which nothing is acknowledged and piw-loggers wait.
 */
import type { RequestResult } from "../../db/requests.ts";
import type { LogAnswers, LogRecords } from "../../protocol/links/log.ts";
import { type ActorContext, type ActorRef, defineActor, Refusal } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import type { AccessMeters } from "./metrics/meters.ts";

interface OwnMessages {
  TEND(): void;
}
export type LumberjackMessages = PeerMessages<LogRecords>;

export interface LumberjackArgs {
  readonly link: ActorRef<EndpointMessages<LogAnswers>>;
  readonly database: DatabaseRef;
  readonly meters: AccessMeters;
}

/** Batches of a few hundred kB that may wait here; beyond it piw-loggers are given no more credit. */
const MAX_WAITING = 64;
const TEND_MS = 3_600_000;

export const lumberjack = defineActor<
  LumberjackMessages & OwnMessages,
  LumberjackArgs,
  LumberjackArgs
>({
  name: "stores access-log records",
  pause: "park",
  handlerTimeoutMs: 0,
  mailbox: { bound: MAX_WAITING },
  async init(ctx, args) {
    await args.link.ask("ATTACH");
    ctx.self.tell("TEND");
    return args;
  },
  handle: {
    PEER_OPENED({ link }, peer) {
      link.tell("SEND", { peer, message: { type: "READY", body: {} } });
    },
    PEER_CLOSED: () => undefined,
    async PEER_MESSAGE({ link, database, meters }, { peer, message }, ctx) {
      const { sequence } = message.body;
      try {
        const outcome = await askUntilDone(ctx, database, "recordAccess", message.body);
        link.tell("SEND", {
          peer,
          message:
            outcome === "gap"
              ? { type: "READY", body: {} }
              : { type: "STORED", body: { sequence } },
        });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        ctx.log.error({ peer, sequence, err: error }, "access-log records cannot be stored");
        meters.refused(message.body.batch.kinds.length);
        const reason = error.message.slice(0, 1_000);
        link.tell("SEND", { peer, message: { type: "REFUSED", body: { sequence, reason } } });
      }
    },
    async TEND({ database }, _body, ctx) {
      ctx.after(TEND_MS, "TEND");
      try {
        const dropped = await askUntilDone(ctx, database, "tendAccessLog", null);
        if (dropped > 0) ctx.log.info({ months: dropped }, "months of the access log expired");
        ctx.run(() => tellPopularity(ctx, database));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        ctx.log.warn(
          { err: error },
          "the access log could not be tended; it is tried again in an hour",
        );
      }
    },
  },
});

/** In stretches, beside the batches that come meanwhile. */
async function tellPopularity(
  ctx: ActorContext<LumberjackMessages & OwnMessages>,
  database: DatabaseRef,
): Promise<void> {
  try {
    for (let after: string | null = ""; after !== null; ) {
      const { projects, next }: RequestResult<"countedDownloads"> = await askUntilDone(
        ctx,
        database,
        "countedDownloads",
        { after },
      );
      if (projects.length > 0) await askUntilDone(ctx, database, "setPopularity", { projects });
      after = next;
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ctx.log.warn({ err: error }, "what is popular could not be told; it is tried again in an hour");
  }
}
