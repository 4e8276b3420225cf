/**
 * File Juggler: has the files of finished builds pulled from their slaves or from whoever imports them, and
 * verified (a transfer per build, `transfer.ts`), and has what is settled placed (`placement.ts`). Both can be done again at
 * any time: what arrived stays in staging, blobs are named by their hash, names are for ever.
 */
import type { RequestArgs } from "../../db/requests.ts";
import type { FromFileSender, ToFileSender } from "../../protocol/links/files.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToImportDesk } from "../../protocol/links/tasks/import-desk.ts";
import {
  type BuildResult,
  type BuiltFile,
  LOG_FILENAME,
  type Token,
} from "../../protocol/model/build.ts";
import type { LogPart } from "../../protocol/model/build-log.ts";
import type { Collected, Delivery } from "../../protocol/model/delivery.ts";
import type { DiskRoom } from "../../protocol/model/host.ts";
import type { SignedStep } from "../../protocol/model/provenance.ts";
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
import { type Storage, StorageError } from "../../web/storage.ts";
import { type ChunkAnswer, importSource, slaveSource } from "./chunk-source.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import type { TransferMeters } from "./metrics/meters.ts";
import { place, removeWithdrawn, sweepLeftovers } from "./placement.ts";
import type { TaskRefusals } from "./refusals.ts";
import { publishKeys, type Signer, signFiles } from "./signing.ts";
import { StoredLogs } from "./stored-logs.ts";
import { type TransferMessages, transfer } from "./transfer.ts";
import { TransferQueue } from "./transfer-queue.ts";
import { SharedCredit } from "./transfer-window.ts";
import type { WheelCheck } from "./wheel-check.ts";

export interface FileJugglerMessages extends ToFileJuggler, PeerMessages<FromFileSender> {
  COLLECTED(body: { readonly token: Token; readonly collected: Collected }): void;
  /** From a transfer: the output disk is full. */
  NOT_COLLECTED(body: { readonly token: Token; readonly reason: string }): void;
  TRANSFER_ENDED(ended: Terminated): void;
  SWEEP(): void;
}

export interface FileJugglerArgs {
  readonly link: ActorRef<EndpointMessages<ToFileSender>>;
  readonly importDesk: ActorRef<ToImportDesk>;
  readonly transfersPath: string;
  readonly database: DatabaseRef;
  readonly storage: Storage;
  readonly wheels: WheelCheck;
  /** Undefined: wheels are published without provenance. */
  readonly signer: Signer | undefined;
  /** A range that did not come is asked for again after this, in ms. */
  readonly fetchRetryMs: number;
  /** A transfer without a single byte for this long is given up, in ms. */
  readonly stallMs: number;
  /** A transfer that is slow over this long gives way to those that wait, in ms. */
  readonly paceMs: number;
  /** How often what is not placed, or still to be removed, is looked for, in ms. */
  readonly sweepMs: number;
  readonly blobGraceMs: number;
  readonly refusals: TaskRefusals;
  readonly meters: TransferMeters;
}

interface Collection {
  readonly delivery: Delivery;
  readonly files: readonly BuiltFile[];
  readonly log: BuildResult["log"] | null;
  readonly waiting: Deferred<Collected>[];
}

interface State {
  readonly args: FileJugglerArgs;
  /** Connected file senders by identity and slot. */
  readonly peers: Map<string, Peer>;
  readonly collections: Map<Token, Collection>;
  readonly queue: TransferQueue;
  readonly credit: SharedCredit;
  readonly logs: StoredLogs;
  sweeps: number;
  isSweeping: boolean;
  areKeysPublished: boolean;
}

type Context = ActorContext<FileJugglerMessages>;

/** Blobs and staging are looked through at every so manieth sweep: that reads whole folders. */
const SWEEPS_PER_CLEANING = 20;
const MAX_WHEEL_BYTES = 2 * 1024 ** 3;
const MAX_LOG_BYTES = 64 * 1024 ** 2;
/** Of all files of one build. */
const MAX_MANIFEST_BYTES = 8 * 1024 ** 3;

const sender = (identity: string, slot: string) => `${identity} ${slot}`;

const transferId = (token: Token) => `t${token}`;

export const fileJuggler = defineActor<FileJugglerMessages, FileJugglerArgs, State>({
  name: "receives files, verifies them, moves them into place",
  // Each may be a chunk of 1 MiB. One that finds no room is asked for again; who is there must be known.
  mailbox: { bound: 2_000 },
  control: ["PEER_OPENED", "PEER_CLOSED", "COLLECTED", "NOT_COLLECTED", "ROOM"],
  handlerTimeoutMs: 0,
  async init(ctx, args) {
    await args.link.ask("ATTACH");
    ctx.self.tell("SWEEP");
    const queue = new TransferQueue();
    args.meters.watch(() => queue.counts);
    return {
      args,
      peers: new Map(),
      collections: new Map(),
      queue,
      credit: new SharedCredit(),
      logs: new StoredLogs(args.storage),
      sweeps: 0,
      isSweeping: false,
      areKeysPublished: false,
    };
  },
  handle: {
    PEER_OPENED(state, peer, ctx) {
      const key = sender(peer.identity, peer.slot);
      state.peers.set(key, peer);
      for (const [token, { delivery }] of state.collections) {
        const isItsOwn = key === sender(delivery.slaveIdentity, delivery.slaveSlot);
        if (delivery.source === "slave" && isItsOwn && state.queue.isRunning(token))
          transferOf(state, ctx, token).tell("HOLDER_IS_BACK");
      }
    },
    PEER_CLOSED(state, { peer }) {
      const key = sender(peer.identity, peer.slot);
      if (state.peers.get(key)?.id === peer.id) state.peers.delete(key);
    },
    PEER_MESSAGE(state, { peer, message }, ctx) {
      const { token } = message.body;
      // What comes after the end of a transfer is late; what others send for it is not asked for.
      const delivery = state.collections.get(token)?.delivery;
      const isHolder =
        delivery?.source === "slave" &&
        // By the identity that it proved, and its slot.
        delivery.slaveIdentity === peer.identity &&
        delivery.slaveSlot === peer.slot &&
        // Of one whose turn has not come nothing was asked for.
        state.queue.isRunning(token);
      if (!isHolder) {
        state.args.refusals.count("chunk of a build that is not collected from its sender");
        return;
      }
      passOn(state, ctx, message);
    },
    CHUNK: (state, body, ctx) => fromDesk(state, ctx, { type: "CHUNK", body }),
    MISSING: (state, body, ctx) => fromDesk(state, ctx, { type: "MISSING", body }),
    COLLECT(state, { delivery, files, log }, ctx) {
      const reply = ctx.defer<Collected>();
      const { token } = delivery;
      const problem = problemOf(files, log);
      if (problem !== undefined) {
        ctx.log.warn({ build: token, reason: problem }, "a manifest is refused");
        state.args.refusals.count("manifest");
        reply.resolve({ files: [], log: null, refusal: { cause: "bad-wheel", message: problem } });
        return reply;
      }
      const running = state.collections.get(token);
      if (running !== undefined) {
        running.waiting.push(reply);
        return reply;
      }
      state.collections.set(token, { delivery, files, log, waiting: [reply] });
      state.queue.add(delivery.slaveIdentity, token);
      startNext(state, ctx);
      return reply;
    },
    COLLECTED(state, { token, collected }, ctx) {
      state.args.meters.ended(collected.refusal === null ? "collected" : "refused");
      const collection = end(state, ctx, token);
      for (const reply of collection?.waiting ?? []) reply.resolve(collected);
      startNext(state, ctx);
    },
    NOT_COLLECTED(state, { token, reason }, ctx) {
      state.args.meters.ended("full");
      fail(state, ctx, token, reason, "full");
    },
    TRANSFER_ENDED(state, { path, reason }, ctx) {
      const token = Number(path.slice(path.lastIndexOf("/") + 2));
      if (!isOrderly(reason)) ctx.log.warn({ build: token }, `transfer: ${describeExit(reason)}`);
      state.args.meters.ended("failed");
      // Its session asks again, and the new transfer goes on where this one stopped.
      fail(state, ctx, token, `the transfer ended: ${describeExit(reason)}`);
    },
    PLACE(state, { token }, ctx) {
      const reply = ctx.defer<void>();
      // Chunks go on meanwhile. Two placings of the same at once come to the same end.
      ctx.run(async () => {
        try {
          await place(ctx, state.args, token);
          reply.resolve();
        } catch (error) {
          reply.reject(toError(error));
        }
      });
      return reply;
    },
    SIGN(state, { package: name, after, limit }, ctx) {
      const reply = ctx.defer<SignedStep>();
      ctx.run(async () => {
        try {
          reply.resolve(await signMore(state, ctx, { package: name, after, limit }));
        } catch (error) {
          reply.reject(error instanceof Refusal ? error : refusalOf(error));
        }
      });
      return reply;
    },
    ROOM(state, _body, ctx) {
      const reply = ctx.defer<DiskRoom>();
      // A disk that does not answer, such as one across a network, must not hold up the chunks.
      ctx.run(async () => {
        try {
          reply.resolve(await state.args.storage.room());
        } catch (error) {
          reply.reject(new Refusal(toError(error).message, { code: "failed" }));
        }
      });
      return reply;
    },
    READ_LOG(state, { token, position }, ctx) {
      const reply = ctx.defer<LogPart | null>();
      ctx.run(async () => {
        try {
          reply.resolve((await state.logs.read(token, position)) ?? null);
        } catch (error) {
          reply.reject(new Refusal(toError(error).message, { code: "failed" }));
        }
      });
      return reply;
    },
    CLEAR(state, { token }, ctx) {
      ctx.run(async () => {
        try {
          await state.args.storage.clearStaging(token);
        } catch (error) {
          ctx.log.warn({ err: error, build: token }, "staging could not be cleared");
        }
      });
    },
    SWEEP(state, _body, ctx) {
      ctx.after(state.args.sweepMs, "SWEEP");
      if (state.isSweeping) return;
      state.isSweeping = true;
      // Readers that went away in the middle leave theirs open.
      ctx.run(() => state.logs.close());
      ctx.run(async (signal) => {
        try {
          await publishOwnKeys(state, ctx);
          await place(ctx, state.args, null);
          await removeWithdrawn(ctx, state.args);
          if (state.sweeps % SWEEPS_PER_CLEANING === 0)
            await sweepLeftovers(ctx, state.args, state.args.blobGraceMs);
        } catch (error) {
          if (!signal.aborted) ctx.log.warn({ err: error }, "left-overs could not be swept now");
        }
        state.sweeps += 1;
        state.isSweeping = false;
      });
    },
  },
});

async function signMore(
  { args }: State,
  ctx: Context,
  question: RequestArgs<"unsignedFiles">,
): Promise<SignedStep> {
  if (args.signer === undefined)
    throw new Refusal("it has no --signing-key: make one with piw keygen --signing", {
      code: "failed",
    });
  const files = await askUntilDone(ctx, args.database, "unsignedFiles", question);
  const signed = await signFiles(ctx, args, args.signer, files);
  const last = files.at(-1)?.id;
  return { signed, left: files.length - signed, next: last ?? null };
}

const refusalOf = (error: unknown): Refusal =>
  error instanceof StorageError && error.code === "full"
    ? new Refusal("the output disk is full", { code: "full" })
    : new Refusal(toError(error).message, { code: "failed" });

/** At each start, since the key may be another one. What fails is tried again at the next sweep. */
async function publishOwnKeys(state: State, ctx: Context): Promise<void> {
  const { signer } = state.args;
  if (signer === undefined || state.areKeysPublished) return;
  try {
    await publishKeys(ctx, state.args, signer);
    state.areKeysPublished = true;
    ctx.log.info({ key: signer.key.id }, "wheels are signed with this key");
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    ctx.log.warn({ err: error }, "the public keys could not be written now");
  }
}

function sourceOf({ args, peers }: State, delivery: Delivery) {
  const key = sender(delivery.slaveIdentity, delivery.slaveSlot);
  return delivery.source === "import"
    ? importSource(args.importDesk)
    : slaveSource(args.link, () => peers.get(key));
}

function fromDesk(state: State, ctx: Context, message: ChunkAnswer): void {
  if (state.collections.get(message.body.token)?.delivery.source === "import")
    passOn(state, ctx, message);
}

function passOn(state: State, ctx: Context, message: ChunkAnswer): void {
  transferOf(state, ctx, message.body.token).tell("FROM_HOLDER", message);
}

const transferOf = ({ args }: State, ctx: Context, token: Token): ActorRef<TransferMessages> =>
  ctx.ref<TransferMessages>(`${args.transfersPath}/${transferId(token)}`);

/** Begins as many as may run. */
function startNext(state: State, ctx: Context): void {
  for (let token = state.queue.next(); token !== undefined; token = state.queue.next()) {
    const collection = state.collections.get(token);
    // Whoever asked may have gone while it waited, e.g. with the slave's connection.
    const isWanted = collection?.waiting.some(({ signal }) => !signal.aborted);
    if (collection === undefined || isWanted !== true) end(state, ctx, token);
    else start(state, ctx, collection);
  }
}

/** In the background: to stop one that is left over from before may take the disk's time. */
function start(state: State, ctx: Context, collection: Collection): void {
  const { args } = state;
  const { delivery, files, log } = collection;
  const { token } = delivery;
  args.meters.began();
  const spec = child(
    transferId(token),
    transfer,
    {
      delivery,
      files,
      log,
      juggler: ctx.self,
      source: sourceOf(state, delivery),
      storage: args.storage,
      wheels: args.wheels,
      credit: state.credit.accountOf(delivery.slaveIdentity),
      fetchRetryMs: args.fetchRetryMs,
      stallMs: args.stallMs,
      paceMs: args.paceMs,
      hasWaiting: () => state.queue.hasWaiting,
      refusals: args.refusals,
      meters: args.meters,
    },
    { restart: "temporary" as const },
  );
  ctx.run(async () => {
    const path = `${args.transfersPath}/${transferId(token)}`;
    try {
      const started = await startAnew(ctx, args.transfersPath, path, spec);
      // It may have come to its end already.
      if (state.collections.get(token) === collection) ctx.watch(started, "TRANSFER_ENDED");
    } catch (error) {
      if (state.collections.get(token) === collection)
        fail(state, ctx, token, toError(error).message);
    }
  });
}

/** Another one may have its place. What is still heard of the end of this transfer is not that of a later one. */
function end(state: State, ctx: Context, token: Token): Collection | undefined {
  const collection = state.collections.get(token);
  state.collections.delete(token);
  state.queue.ended(token);
  ctx.unwatch(transferOf(state, ctx, token));
  return collection;
}

function fail(
  state: State,
  ctx: Context,
  token: Token,
  reason: string,
  code = "transfer-ended",
): void {
  const collection = end(state, ctx, token);
  for (const reply of collection?.waiting ?? []) reply.reject(new Refusal(reason, { code }));
  startNext(state, ctx);
}

/** What no build can have made, however its files look; undefined where nothing is wrong. */
function problemOf(files: readonly BuiltFile[], log: BuildResult["log"] | null) {
  const tooLarge = (filename: string, sizeBytes: number) =>
    `${filename}: ${sizeBytes} bytes are over the limit`;
  if (log !== null && log.sizeBytes > MAX_LOG_BYTES) return tooLarge(LOG_FILENAME, log.sizeBytes);
  const names = new Set([LOG_FILENAME]);
  let sumBytes = 0;
  for (const { filename, sizeBytes } of files) {
    if (names.has(filename)) return `${filename} is named twice`;
    names.add(filename);
    if (sizeBytes > MAX_WHEEL_BYTES) return tooLarge(filename, sizeBytes);
    sumBytes += sizeBytes;
  }
  return sumBytes > MAX_MANIFEST_BYTES
    ? `its files have ${sumBytes} bytes together, which is over the limit`
    : undefined;
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
