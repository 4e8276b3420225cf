/**
 * Delivery: the walk of a finished build from its files to DONE. A slave session calls it for each BUILT;
 * every step is done again after a failure, to the same end, since collecting, settling and placing can
 * each be repeated. It knows nothing of the session's states.
 */
import type { RetryRule } from "../../db/leases.ts";
import type { RequestArgs } from "../../db/requests.ts";
import type { Settled } from "../../db/settle.ts";
import type { ToSlave } from "../../protocol/links/slave.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToSecretary } from "../../protocol/links/tasks/secretary.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import { type BuildResult, LOG_FILENAME, type Token } from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import type { Collected } from "../../protocol/model/delivery.ts";
import {
  type ActorRef,
  type Logger,
  type MessageOf,
  type Peer,
  Refusal,
} from "../../supervisor/index.ts";
import { again, isFull } from "./again.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "./database.ts";
import type { EndpointMessages } from "./endpoint.ts";

/** What a delivery needs of its session. */
export interface DeliverySession {
  readonly peer: Peer;
  readonly slaveId: number;
  readonly label: string;
  readonly link: ActorRef<EndpointMessages<ToSlave>>;
  readonly database: DatabaseRef;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly secretary: ActorRef<ToSecretary>;
  readonly status: ActorRef<ToStatus>;
  readonly retry: RetryRule;
}

/** The actor on whose behalf it runs. */
interface Context extends Asker {
  readonly log: Logger;
}

/**
 * The walk from BUILT to DONE. Each step is done again after a failure, to the same end. False for a
 * token that this slave was never given: nothing is touched then.
 *
 * The lease is kept while files come. When they do not, it may expire: somebody else builds then, and
 * this result still wins if it is here first.
 */
export async function deliver(
  session: DeliverySession,
  token: Token,
  result: BuildResult,
  ctx: Context,
  signal: AbortSignal,
  stopRenewing: () => void,
): Promise<boolean> {
  const delivery = await askUntilDone(ctx, session.database, "findDelivery", { token });
  if (delivery?.slaveId !== session.slaveId) {
    ctx.log.warn(
      { slave: session.label, build: token },
      "a build that was not given to this slave",
    );
    return false;
  }
  const onFailure = (error: unknown): void => {
    stopRenewing();
    // Its person sees why the build waits, and that the slave is not what is wrong.
    if (isFull(error))
      send(session, { type: "HELD", body: { token, reason: error.message.slice(0, 1_000) } });
  };
  const collect = () => {
    for (const filename of [LOG_FILENAME, ...result.files.map((file) => file.filename)])
      send(session, { type: "SEND", body: { token, filename } });
    return again(ctx, { what: "its files could not be collected", signal, onFailure }, () =>
      session.fileJuggler.ask(
        "COLLECT",
        { delivery, files: result.files, log: result.log },
        { timeoutMs: Number.POSITIVE_INFINITY, signal },
      ),
    );
  };
  if (!delivery.isSettled) {
    const collected = await collect();
    const { cause, message } = judge(result, collected);
    const settled = await settle(session, ctx, token, {
      result: {
        cause,
        message,
        missing: result.missing,
        durationMs: result.durationMs,
        ...(result.buildRequires && { buildRequires: result.buildRequires }),
        ...(result.resolved && { resolved: result.resolved }),
        ...(result.environment && { environment: result.environment }),
        ...(cause === "deferred" &&
          result.retryAfterMs !== undefined && { retryAfterMs: result.retryAfterMs }),
      },
      files: cause === "built" ? collected.files : [],
      log: collected.log,
    });
    announce(session, ctx, token, settled, {
      cause,
      message,
      durationMs: result.durationMs,
      suspicious: suspicious(collected),
    });
  }
  const placing = { what: "its files could not be placed", signal, onFailure };
  await again(ctx, placing, async () => {
    try {
      await session.fileJuggler.ask("PLACE", { token }, { timeoutMs: 120_000, signal });
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== "missing") throw error;
      // A blob that was swept before its build was settled: the slave still has the file.
      const { refusal } = await collect();
      if (refusal === null) throw error;
      await giveUpFiles(session, ctx, token, refusal.message);
    }
  });
  session.secretary.tell("HURRY");
  return true;
}

/** More than a build may have. */
const MAX_FILES = 1_000;

/** What is settled and nobody has any more: it is taken back, so that its version is built again. */
async function giveUpFiles(
  session: DeliverySession,
  ctx: Context,
  token: Token,
  reason: string,
): Promise<void> {
  const args = { token, limit: MAX_FILES };
  const { files } = await askUntilDone(ctx, session.database, "unplaced", args);
  ctx.log.error(
    { slave: session.label, build: token, files: files.map((file) => file.filename), reason },
    "settled files are lost, and the slave cannot hand them over again: their version is built anew",
  );
  if (files.length === 0) return;
  const fileIds = files.map((file) => file.id);
  await askUntilDone(ctx, session.database, "yieldNames", { fileIds });
}

type Ending = Pick<RequestArgs<"settleBuild">, "result" | "files" | "log">;

/**
 * A result that the database will not take is settled as a failure: it would come back for ever. Not at once: a
 * statement that took too long may be quick the next time, and a good wheel is worth it.
 */
async function settle(
  session: DeliverySession,
  ctx: Context,
  token: Token,
  ending: Ending,
): Promise<Settled> {
  const common = { token, slaveId: session.slaveId, retry: session.retry };
  const tryIt = () => askUntilDone(ctx, session.database, "settleBuild", { ...common, ...ending });
  try {
    return await tryIt().catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      return tryIt();
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ctx.log.error({ err: error, build: token }, "a result could not be stored");
    const message = "its result could not be stored";
    return await askUntilDone(ctx, session.database, "settleBuild", {
      ...common,
      result: { cause: "build-failed", message, missing: [], durationMs: 0 },
      files: [],
      log: null,
    });
  }
}

/** A build that says it succeeded and whose files do not pass is a bad wheel. */
function judge(result: BuildResult, collected: Collected): { cause: Cause; message: string } {
  if (result.cause !== "built") return { cause: result.cause, message: result.message };
  if (collected.refusal !== null) return collected.refusal;
  if (collected.files.length === 0) return { cause: "bad-wheel", message: "no wheel came of it" };
  return { cause: "built", message: result.message };
}

interface Announcement {
  readonly cause: Cause;
  readonly message: string;
  readonly durationMs: number;
  readonly suspicious: readonly string[];
}

const suspicious = ({ files }: Collected): string[] =>
  files.flatMap((file) =>
    file.suspicious === null ? [] : [`${file.filename}: ${file.suspicious}`],
  );

function announce(
  session: DeliverySession,
  ctx: Context,
  token: Token,
  settled: Settled,
  { cause, message, durationMs, suspicious }: Announcement,
): void {
  ctx.log.info(
    {
      slave: session.label,
      build: token,
      package: settled.package,
      version: settled.version,
      outcome: settled.outcome,
      cause,
      files: settled.published,
      superseded: settled.superseded,
    },
    "build settled",
  );
  for (const line of suspicious) ctx.log.warn({ build: token }, `suspicious: ${line}`);
  session.status.tell("EVENT", {
    kind: "build-ended",
    token,
    package: settled.package,
    version: settled.version,
    target: settled.target,
    slave: session.label,
    slaveId: session.slaveId,
    endedAt: settled.endedAt,
    cause,
    message: cause === "built" && settled.outcome !== "published" ? settled.outcome : message,
    durationMs,
    files: [...settled.published],
    ...(suspicious.length > 0 && { suspicious: [...suspicious] }),
  });
}

function send(session: DeliverySession, message: MessageOf<ToSlave>): void {
  session.link.tell("SEND", { peer: session.peer, message });
}
