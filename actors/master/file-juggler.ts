/**
 * File Juggler: has the files of finished builds pulled from their slaves and verified (a transfer per
 * build, `transfer.ts`), and places what is settled under its public names. Both can be done again at
 * any time: what arrived stays in staging, blobs are named by their hash, names are for ever.
 */
import type { Delivery, VerifiedFile } from "../../db/settle.ts";
import type { FromFileSender, ToFileSender } from "../../protocol/links/files.ts";
import type { BuildResult, BuiltFile, Token } from "../../protocol/model/build.ts";
import {
  type ActorContext,
  type ActorRef,
  child,
  type Deferred,
  defineActor,
  describeExit,
  isOrderly,
  type Peer,
  Refusal,
  SupervisionError,
  type Terminated,
  toError,
} from "../../supervisor/index.ts";
import { logKey, metadataKey, wheelKey } from "../../web/public-key.ts";
import { type Storage, StorageError } from "../../web/storage.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import { type TransferMessages, transfer } from "./transfer.ts";
import type { WheelCheck } from "./wheel-check.ts";

/** What came of a build's files. */
export interface Collected {
  /** Verified and stored as blobs. */
  readonly files: readonly VerifiedFile[];
  readonly log: { readonly sha256: string; readonly sizeBytes: number } | null;
  /** Why a file was refused, one line; null when all passed. */
  readonly refusal: string | null;
}

export interface FileJugglerMessages extends PeerMessages<FromFileSender> {
  /** Pulls and verifies the files of a build. Asked again for the same build it joins what runs. */
  COLLECT(body: {
    readonly delivery: Delivery;
    readonly files: readonly BuiltFile[];
    readonly log: BuildResult["log"];
  }): Collected;
  COLLECTED(body: { readonly token: Token; readonly collected: Collected }): void;
  TRANSFER_ENDED(ended: Terminated): void;
  /** Gives settled files and logs their public names: of one build, or (null) whatever is left. */
  PLACE(body: { readonly token: Token | null }): void;
  /** The slave has been told DONE: what is staged for the build is not needed any more. */
  CLEAR(body: { readonly token: Token }): void;
  SWEEP(): void;
}

export interface FileJugglerArgs {
  readonly link: ActorRef<EndpointMessages<ToFileSender>>;
  readonly transfersPath: string;
  readonly database: DatabaseRef;
  readonly storage: Storage;
  readonly checkWheel: WheelCheck;
  /** A range that did not come is asked for again after this, in ms. */
  readonly fetchRetryMs: number;
  /** A transfer without a single byte for this long is given up, in ms. */
  readonly stallMs: number;
  /** How often left-overs are looked for, in ms. */
  readonly sweepMs: number;
  readonly blobGraceMs: number;
}

interface Collection {
  readonly waiting: Deferred<Collected>[];
}

interface State {
  readonly args: FileJugglerArgs;
  /** Connected file senders by identity. */
  readonly peers: Map<string, Peer>;
  readonly collections: Map<Token, Collection>;
}

type Context = ActorContext<FileJugglerMessages>;

/** Files and logs placed by one round of PLACE. */
const BATCH = 200;

const transferId = (token: Token) => `t${token}`;

export const fileJuggler = defineActor<FileJugglerMessages, FileJugglerArgs, State>({
  name: "receives files, verifies them, moves them into place",
  mailbox: { bound: 100_000 },
  handlerTimeoutMs: 0,
  async init(ctx, args) {
    await args.link.ask("ATTACH");
    ctx.self.tell("SWEEP");
    return { args, peers: new Map(), collections: new Map() };
  },
  handle: {
    PEER_OPENED(state, peer) {
      state.peers.set(peer.identity, peer);
    },
    PEER_CLOSED(state, { peer }) {
      if (state.peers.get(peer.identity)?.id === peer.id) state.peers.delete(peer.identity);
    },
    PEER_MESSAGE(state, { peer, message }, ctx) {
      // A chunk of a transfer that has ended is late; nobody asks for it again.
      const to = ctx.ref<TransferMessages>(
        `${state.args.transfersPath}/${transferId(message.body.token)}`,
      );
      if (!state.collections.has(message.body.token)) return;
      to.tell("FROM_SENDER", { peer, message });
    },
    async COLLECT(state, { delivery, files, log }, ctx) {
      const reply = ctx.defer<Collected>();
      const { token } = delivery;
      const running = state.collections.get(token);
      if (running !== undefined) {
        running.waiting.push(reply);
        return reply;
      }
      state.collections.set(token, { waiting: [reply] });
      const path = `${state.args.transfersPath}/${transferId(token)}`;
      const spec = child(
        transferId(token),
        transfer,
        {
          delivery,
          files,
          log,
          juggler: ctx.self,
          link: state.args.link,
          storage: state.args.storage,
          checkWheel: state.args.checkWheel,
          findPeer: () => state.peers.get(delivery.slaveIdentity),
          fetchRetryMs: state.args.fetchRetryMs,
          stallMs: state.args.stallMs,
        },
        { restart: "temporary" as const },
      );
      try {
        ctx.watch(await startAnew(ctx, state.args.transfersPath, path, spec), "TRANSFER_ENDED");
      } catch (error) {
        fail(state, token, toError(error).message);
      }
      return reply;
    },
    COLLECTED(state, { token, collected }) {
      const collection = state.collections.get(token);
      state.collections.delete(token);
      for (const reply of collection?.waiting ?? []) reply.resolve(collected);
    },
    TRANSFER_ENDED(state, { path, reason }, ctx) {
      const token = Number(path.slice(path.lastIndexOf("/") + 2));
      if (!isOrderly(reason)) ctx.log.warn({ build: token }, `transfer: ${describeExit(reason)}`);
      // Its session asks again, and the new transfer goes on where this one stopped.
      fail(state, token, `the transfer ended: ${describeExit(reason)}`);
    },
    async PLACE(state, { token }, ctx) {
      await place(state, ctx, token);
    },
    async CLEAR(state, { token }, ctx) {
      await state.args.storage.clearStaging(token).catch((error: unknown) => {
        ctx.log.warn({ err: error, build: token }, "staging could not be cleared");
      });
    },
    async SWEEP(state, _body, ctx) {
      ctx.after(state.args.sweepMs, "SWEEP");
      try {
        await place(state, ctx, null);
        await removeWithdrawn(state, ctx);
        await sweepLeftovers(state, ctx);
      } catch (error) {
        ctx.log.warn({ err: error }, "left-overs could not be swept now");
      }
    },
  },
});

function fail(state: State, token: Token, reason: string): void {
  const collection = state.collections.get(token);
  state.collections.delete(token);
  for (const reply of collection?.waiting ?? [])
    reply.reject(new Refusal(reason, { code: "transfer-ended" }));
}

/** A transfer that outlived a File Juggler is stopped first: its staged bytes stay. */
async function startAnew(
  ctx: Context,
  supervisorPath: string,
  path: string,
  spec: Parameters<Context["startChild"]>[1],
): Promise<ActorRef<unknown>> {
  try {
    return await ctx.startChild(supervisorPath, spec);
  } catch (error) {
    if (!(error instanceof SupervisionError) || error.code !== "already_started") throw error;
    await ctx.stopChild(path);
    return ctx.startChild(supervisorPath, spec);
  }
}

/** The database says what is settled and not placed; what is in its place already is placed again for nothing. */
async function place(state: State, ctx: Context, token: Token | null): Promise<void> {
  const { database, storage } = state.args;
  const { files, logs } = await askUntilDone(ctx, database, "unplaced", { token, limit: BATCH });
  if (files.length + logs.length === 0) return;
  const fileIds: number[] = [];
  const logTokens: number[] = [];
  for (const file of files) {
    try {
      // The metadata first: whoever sees the wheel may ask for it (PEP 658).
      await storage.publishOnce(metadataKey(file.package, file.filename), file.metadataSha256);
      await storage.publishOnce(wheelKey(file.package, file.filename), file.sha256);
      fileIds.push(file.id);
    } catch (error) {
      notPlaced(ctx, file.filename, error);
    }
  }
  for (const log of logs) {
    try {
      await storage.publishCompressed(logKey(log.token), log.sha256);
      logTokens.push(log.token);
    } catch (error) {
      notPlaced(ctx, logKey(log.token), error);
    }
  }
  await askUntilDone(ctx, database, "markPlaced", { fileIds, logTokens });
  if (fileIds.length > 0) ctx.log.info({ files: files.map((file) => file.filename) }, "published");
}

/**
 * A full disk is the master's trouble and goes by: the asker tries again. Anything else concerns this
 * one file; it stays unplaced, shown in the report and the log, and the others go on.
 */
function notPlaced(ctx: Context, name: string, error: unknown): void {
  if (error instanceof StorageError && error.code === "full") {
    ctx.degraded("the output disk is full");
    throw new Refusal(`the output disk is full: make room for ${name}`, { code: "full" });
  }
  ctx.log.error({ err: error, file: name }, "a settled file could not be placed");
}

async function removeWithdrawn(state: State, ctx: Context): Promise<void> {
  const { database, storage } = state.args;
  const files = await askUntilDone(ctx, database, "withdrawnFiles", { limit: BATCH });
  if (files.length === 0) return;
  for (const file of files) {
    await storage.remove(wheelKey(file.package, file.filename));
    await storage.remove(metadataKey(file.package, file.filename));
  }
  await askUntilDone(ctx, database, "markRemoved", { fileIds: files.map((file) => file.id) });
}

/** Staging of builds that are settled, and blobs that nothing refers to. */
async function sweepLeftovers(state: State, ctx: Context): Promise<void> {
  const { database, storage, blobGraceMs } = state.args;
  const staged = (await storage.listStaging()).filter((build) => build.idleMs > blobGraceMs);
  if (staged.length > 0) {
    const tokens = staged.map((build) => build.token);
    const open = new Set(await askUntilDone(ctx, database, "openTokens", { tokens }));
    for (const token of tokens) if (!open.has(token)) await storage.clearStaging(token);
  }
  await storage.sweepBlobs(
    async (sha256s) =>
      new Set(await askUntilDone(ctx, database, "referencedBlobs", { sha256s: [...sha256s] })),
    blobGraceMs,
  );
}
