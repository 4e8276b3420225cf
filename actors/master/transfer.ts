/**
 * A transfer: pulls the files of one finished build from whoever holds them into staging, several at once and
 * a window of ranges at a time, then verifies and stores each. It goes on at the byte where an earlier one stopped. Only
 * ranges that were asked for are taken, each once, so a sender can neither make a file longer nor fill the memory.
 *
 * A slow one gives way where others wait for a turn (`transfer-pace.ts`). It ends by telling File Juggler what came of it, or that the disk is full. Without a byte for `stallMs` it
 * ends as well, and whoever still wants the files asks anew.
 */
import { type BuildResult, type BuiltFile, LOG_FILENAME } from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import {
  type Collected,
  type Delivery,
  MAX_REFUSAL_LENGTH,
  type VerifiedFile,
  verifiedFileSchema,
} from "../../protocol/model/delivery.ts";
import type { SeenEntry } from "../../protocol/packaging/arriving-zip.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import { sizeText } from "../../web/pages/words.ts";
import { type StagedFile, type Storage, StorageError } from "../../web/storage.ts";
import type { ChunkAnswer, ChunkSource } from "./chunk-source.ts";
import type { FileJugglerMessages } from "./file-juggler.ts";
import { FilePull } from "./file-pull.ts";
import type { TransferMeters } from "./metrics/meters.ts";
import type { TaskRefusals } from "./refusals.ts";
import { TransferPace } from "./transfer-pace.ts";
import { type CreditAccount, TransferWindow } from "./transfer-window.ts";
import type { WheelCheck } from "./wheel-check.ts";

export interface TransferMessages {
  /** From the holder of the files, and nobody else. */
  FROM_HOLDER(message: ChunkAnswer): void;
  /** The holder has a new connection: what was asked on the old one will not come. */
  HOLDER_IS_BACK(): void;
  /** Time to look for what did not come. */
  LOOK(): void;
  END(): void;
}

export interface TransferArgs {
  readonly delivery: Delivery;
  readonly files: readonly BuiltFile[];
  readonly log: BuildResult["log"] | null;
  readonly juggler: ActorRef<FileJugglerMessages>;
  readonly source: ChunkSource;
  readonly storage: Storage;
  readonly wheels: WheelCheck;
  readonly credit: CreditAccount;
  readonly fetchRetryMs: number;
  readonly stallMs: number;
  /** Over so long a slow one is measured; it gives way where `hasWaiting` says that others wait for a turn. */
  readonly paceMs: number;
  hasWaiting(): boolean;
  readonly refusals: TaskRefusals;
  readonly meters: TransferMeters;
}

interface Wanted {
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly aptDependencies: readonly string[];
}

interface State {
  readonly args: TransferArgs;
  readonly window: TransferWindow;
  /** Not yet begun. The log comes first: it is wanted of every build. */
  readonly queue: Wanted[];
  /** Being pulled, by file name, oldest first. */
  readonly pulls: Map<string, FilePull>;
  /** Open now, also while they are verified. */
  readonly open: Set<StagedFile>;
  readonly verified: Map<string, VerifiedFile>;
  log: Collected["log"];
  refusal: Collected["refusal"];
  progressAt: number;
  readonly pace: TransferPace;
}

type Context = ActorContext<TransferMessages>;

/** Files at once: one is pulled while another one is checked or synced. */
const FILES_AT_ONCE = 8;
/** Chunks that may wait: a window of small ones. Others are asked for again. */
const MAILBOX_BOUND = 256;
/**
 * A larger file is read while it arrives, and synced while it is checked; of a small one a second sync costs more than that
 * gains, and so does a word to the thread that reads.
 */
const LARGE_BYTES = 4 * 1024 * 1024;
/** Times that a file may come whole with a wrong hash. */
const MAX_ARRIVALS = 2;

export const transfer = defineActor<TransferMessages, TransferArgs, State>({
  name: "pulls the files of one build",
  mailbox: { bound: MAILBOX_BOUND },
  control: ["END"],
  init(ctx, args) {
    const log = args.log && { filename: LOG_FILENAME, aptDependencies: [], ...args.log };
    const state: State = {
      args,
      window: new TransferWindow(args.credit, args.fetchRetryMs),
      queue: log === null ? [...args.files] : [log, ...args.files],
      pulls: new Map(),
      open: new Set(),
      verified: new Map(),
      log: null,
      refusal: null,
      progressAt: performance.now(),
      pace: new TransferPace(args.paceMs, performance.now()),
    };
    ctx.every(Math.max(100, args.fetchRetryMs / 4), "LOOK");
    ctx.run(() => collect(state, ctx));
    return state;
  },
  handle: {
    FROM_HOLDER(state, { type, body }, ctx) {
      const pull = state.pulls.get(body.filename);
      if (pull === undefined) return;
      if (type === "MISSING") {
        // Its build may be as good as any: what is lost is what came of it.
        const { holder } = state.args.source;
        const reason = `${body.filename}: ${holder} cannot send it: ${body.reason}`;
        pull.callOff();
        refuse(state, ctx, "slave-lost", reason);
        return;
      }
      const now = performance.now();
      const taken = pull.take(body.offset, body.data, now);
      if (taken === "taken") {
        state.progressAt = now;
        state.args.meters.received(body.data.length);
        state.pace.got(body.data.length);
      } else if (taken === "unasked") state.args.refusals.count("chunk that was not asked for");
    },
    HOLDER_IS_BACK(state) {
      for (const pull of state.pulls.values()) pull.forget();
      ask(state);
    },
    LOOK(state, _body, ctx) {
      const now = performance.now();
      const { fetchRetryMs, stallMs, delivery } = state.args;
      // While nothing is pulled it is not the holder that is waited for.
      if (state.pulls.size === 0) {
        state.progressAt = now;
        state.pace.rest(now);
      }
      if (now - state.progressAt > stallMs) {
        if (state.refusal !== null) {
          // What was found wrong stands, with or without a log.
          for (const pull of state.pulls.values()) pull.callOff();
          return;
        }
        const files = [...state.pulls.keys()];
        ctx.log.warn({ build: delivery.token, files }, "no byte came: given up");
        ctx.exit();
        return;
      }
      if (state.pace.isTooSlow(now) && state.refusal === null && state.args.hasWaiting()) {
        ctx.log.info({ build: delivery.token }, "it is slow, and others wait: it gives way");
        state.args.refusals.count("slow transfer that gave way");
        ctx.exit();
        return;
      }
      let isAnyLate = false;
      for (const pull of state.pulls.values()) if (pull.expire(now, fetchRetryMs)) isAnyLate = true;
      if (isAnyLate) state.window.shrink();
      ask(state);
    },
    END(_state, _body, ctx) {
      ctx.exit();
    },
  },
  async stop(state) {
    state.window.close();
    // Who waits for one of them lets go of what reads behind it.
    for (const pull of state.pulls.values()) pull.callOff();
    for (const staged of state.open) await staged.close();
  },
});

function ask(state: State): void {
  const now = performance.now();
  for (const pull of state.pulls.values()) pull.ask(now);
}

/** All files, to the end, which File Juggler is told. */
async function collect(state: State, ctx: Context): Promise<void> {
  const { storage, delivery, juggler } = state.args;
  const { token } = delivery;
  try {
    await checkRoom(state);
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, () => receiveAll(state, ctx)));
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "full") throw error;
    // Half a build helps nobody on a full disk; what is given up here is what another one fits into.
    state.window.close();
    await storage.clearStaging(token);
    await juggler.ask("NOT_COLLECTED", { token, reason: error.message });
    ctx.self.tell("END");
    return;
  }
  const files = state.args.files.flatMap(({ filename }) => state.verified.get(filename) ?? []);
  // Asked, since the news of this actor's end would overtake a told result.
  await juggler.ask("COLLECTED", {
    token,
    collected: { files, log: state.log, refusal: state.refusal },
  });
  ctx.self.tell("END");
}

/** @throws StorageError `full` where what is to come does not fit. What others pull meanwhile is not foreseen. */
async function checkRoom({ args, queue }: State): Promise<void> {
  const { storage, delivery } = args;
  let neededBytes = 0;
  for (const { filename, sizeBytes, sha256 } of queue) {
    if (filename !== LOG_FILENAME && (await storage.blobLength(sha256)) !== undefined) continue;
    const hereBytes = await storage.stagedLength(delivery.token, filename);
    neededBytes += Math.max(0, sizeBytes - hereBytes);
  }
  const { freeBytes } = await storage.room();
  if (neededBytes <= freeBytes) return;
  throw new StorageError(
    "full",
    `the output disk has ${sizeText(freeBytes)} free and ${sizeText(neededBytes)} are still to come`,
  );
}

async function receiveAll(state: State, ctx: Context): Promise<void> {
  for (;;) {
    const wanted = state.queue.shift();
    if (wanted === undefined) return;
    await receive(state, ctx, wanted);
  }
}

/** One file from its first byte to its blob, or to the reason why not. */
async function receive(state: State, ctx: Context, wanted: Wanted): Promise<void> {
  const { args } = state;
  const { filename, sizeBytes, sha256 } = wanted;
  const { token } = args.delivery;
  const isLog = filename === LOG_FILENAME;
  if (!isLog && (await settleStored(state, ctx, wanted))) return;
  const staged = await args.storage.openStaged(token, filename);
  state.open.add(staged);
  try {
    const seen = await pullWhole(state, ctx, wanted, staged);
    if (seen === undefined) return;
    if (isLog) {
      await args.storage.commitBlob(token, filename, sha256);
      state.log = { sha256, sizeBytes };
      return;
    }
    const [problem] = await Promise.all([
      verify(state, wanted, args.storage.stagedPath(token, filename), seen),
      sizeBytes >= LARGE_BYTES ? staged.sync() : undefined,
    ]);
    if (problem === undefined) await args.storage.commitBlob(token, filename, sha256);
    else refuse(state, ctx, "bad-wheel", `${filename}: ${problem}`);
  } finally {
    state.open.delete(staged);
    await staged.close();
  }
}

/**
 * What was seen of a wheel as it came, when all bytes are in staging and have the hash that was named; undefined: the
 * refusal says why not.
 */
async function pullWhole(
  state: State,
  ctx: Context,
  { filename, sizeBytes, sha256 }: Wanted,
  staged: StagedFile,
): Promise<readonly SeenEntry[] | undefined> {
  const { source, delivery, wheels, storage } = state.args;
  const { token } = delivery;
  // Another file was refused while this one was opened.
  if (state.refusal !== null && filename !== LOG_FILENAME) return undefined;
  // What an earlier manifest under the same name left may be longer than this one.
  if (staged.lengthBytes > sizeBytes) await staged.reset();
  else if (staged.lengthBytes > 0) state.args.meters.resumed();
  const isFollowed = sizeBytes >= LARGE_BYTES && filename !== LOG_FILENAME;
  for (let arrival = 1; arrival <= MAX_ARRIVALS; arrival += 1) {
    // What was read of an arrival that came to another hash is worth nothing.
    const arriving = isFollowed ? wheels.follow(storage.stagedPath(token, filename)) : undefined;
    arriving?.grew(staged.lengthBytes);
    const pull = new FilePull({
      sizeBytes,
      staged,
      window: state.window,
      fetch: (offset, lengthBytes) => source.fetch({ token, filename, offset, lengthBytes }),
      wrote: () => {
        arriving?.grew(staged.lengthBytes);
        ask(state);
      },
    });
    state.pulls.set(filename, pull);
    ask(state);
    let isRight = false;
    try {
      if (!(await pull.arrived)) return undefined;
      isRight = staged.sha256() === sha256;
    } finally {
      if (!isRight) arriving?.stop();
      state.pulls.delete(filename);
      pull.end();
      ask(state);
    }
    if (isRight) return (await arriving?.seen()) ?? [];
    ctx.log.warn({ build: token, file: filename }, "wrong hash on arrival");
    state.args.refusals.count("file of another hash");
    await staged.reset();
  }
  const reason = `${filename}: its bytes are not those of its SHA-256`;
  refuse(state, ctx, "bad-wheel", reason);
  return undefined;
}

/**
 * A blob that an earlier transfer stored is verified where it lies instead of pulled again. Its grace
 * begins anew, so that no sweep takes it before it is settled. False where the file is still to be pulled.
 */
async function settleStored(state: State, ctx: Context, wanted: Wanted): Promise<boolean> {
  const { storage } = state.args;
  const { filename, sizeBytes, sha256 } = wanted;
  const storedBytes = (await storage.touchBlob(sha256))
    ? await storage.blobLength(sha256)
    : undefined;
  if (storedBytes === undefined) return false;
  if (storedBytes !== sizeBytes) {
    // The size is published with the file, and no bytes of this hash have it.
    const reason = `${filename}: the file of its SHA-256 has ${storedBytes} bytes, not ${sizeBytes}`;
    refuse(state, ctx, "bad-wheel", reason);
    return true;
  }
  const problem = await verify(state, wanted, storage.blobPath(sha256), []);
  if (problem !== undefined) ctx.log.warn({ file: filename, problem }, "stored, but refused");
  return problem === undefined;
}

/** What is wrong with a wheel; undefined when it is what the build was to make. */
async function verify(
  state: State,
  wanted: Wanted,
  path: string,
  seen: readonly SeenEntry[],
): Promise<string | undefined> {
  const { delivery, storage, wheels } = state.args;
  const checked = await wheels.check({ path, filename: wanted.filename, delivery, seen });
  if (!checked.ok) return checked.reason;
  const metadataSha256 = await storage.putBlob(checked.metadata);
  const file: VerifiedFile = {
    filename: wanted.filename,
    sha256: wanted.sha256,
    sizeBytes: wanted.sizeBytes,
    tags: checked.tags,
    requiresPython: checked.requiresPython,
    requiresDist: checked.requiresDist,
    aptDependencies: wanted.aptDependencies,
    metadataSha256,
    suspicious: checked.suspicious,
  };
  // Within the bounds of what can be said of a file, or nobody could be told of it.
  const excess = verifiedFileSchema.safeParse(file).error?.issues[0]?.path.join(".");
  if (excess !== undefined) return `its ${excess} is more than a wheel may have`;
  state.verified.set(wanted.filename, file);
  return undefined;
}

/**
 * The first refusal is the one that is told. Nothing more is begun or waited for, the log excepted: a build is taken
 * whole or not at all, and who withholds another file must not keep the refusal from being told.
 */
function refuse(state: State, ctx: Context, cause: Cause, message: string): void {
  ctx.log.warn({ build: state.args.delivery.token, cause, reason: message }, "file refused");
  state.args.refusals.count(`file (${cause})`);
  state.refusal ??= { cause, message: message.slice(0, MAX_REFUSAL_LENGTH) };
  state.queue.length = 0;
  for (const [filename, pull] of state.pulls) if (filename !== LOG_FILENAME) pull.callOff();
}
