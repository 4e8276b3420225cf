/**
 * A transfer: pulls the files of one finished build from whoever holds them into staging, a window of ranges
 * at a time, then verifies and stores them. It goes on where an earlier one stopped. Only ranges that
 * were asked for are taken, each once, so a sender can neither make a file longer nor fill the memory.
 *
 * It ends by telling File Juggler what came of it; without a byte for `stallMs` it ends as well, and
 * whoever still wants the files asks anew.
 */
import { MAX_CHUNK_BYTES } from "../../protocol/links/files.ts";
import { type BuildResult, type BuiltFile, LOG_FILENAME } from "../../protocol/model/build.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import {
  type Collected,
  type Delivery,
  MAX_REFUSAL_LENGTH,
  type VerifiedFile,
  verifiedFileSchema,
} from "../../protocol/model/delivery.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import { type StagedFile, type Storage, StorageError } from "../../web/storage.ts";
import type { ChunkAnswer, ChunkSource } from "./chunk-source.ts";
import type { FileJugglerMessages } from "./file-juggler.ts";
import type { TaskRefusals } from "./refusals.ts";
import type { WheelCheck } from "./wheel-check.ts";

export interface TransferMessages {
  /** From the holder of the files, and nobody else. */
  FROM_HOLDER(message: ChunkAnswer): void;
  PULL(): void;
  END(): void;
}

export interface TransferArgs {
  readonly delivery: Delivery;
  readonly files: readonly BuiltFile[];
  readonly log: BuildResult["log"] | null;
  readonly juggler: ActorRef<FileJugglerMessages>;
  readonly source: ChunkSource;
  readonly storage: Storage;
  readonly checkWheel: WheelCheck;
  readonly fetchRetryMs: number;
  readonly stallMs: number;
  readonly refusals: TaskRefusals;
}

interface Wanted {
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly aptDependencies: readonly string[];
}

interface State {
  readonly args: TransferArgs;
  /** Still to be pulled; the first is in hand. The log comes first: it is wanted of every build. */
  readonly queue: Wanted[];
  staged: StagedFile | undefined;
  /** Offsets asked for and when (monotonic ms). */
  readonly asked: Map<number, number>;
  /** Chunks that came before the ones in front of them. Never more than the window. */
  readonly early: Map<number, Uint8Array>;
  readonly verified: VerifiedFile[];
  log: Collected["log"];
  refusal: Collected["refusal"];
  progressAt: number;
  /** Times that a file came whole with a wrong hash. */
  mismatches: number;
  isFinished: boolean;
}

type Context = ActorContext<TransferMessages>;

const CHUNK_BYTES = MAX_CHUNK_BYTES;
/** Ranges in flight: enough to hide the round trip, few enough to bound the memory of a transfer. */
const WINDOW = 4;
/** Chunks that may wait: one window, and what was asked for twice. Others are asked for again. */
const MAILBOX_BOUND = 32;
const MAX_WHEEL_BYTES = 2 * 1024 ** 3;
const MAX_LOG_BYTES = 64 * 1024 ** 2;

export const transfer = defineActor<TransferMessages, TransferArgs, State>({
  name: "pulls the files of one build",
  mailbox: { bound: MAILBOX_BOUND },
  control: ["END"],
  handlerTimeoutMs: 0,
  init(ctx, args) {
    const log = args.log && { filename: LOG_FILENAME, aptDependencies: [], ...args.log };
    ctx.self.tell("PULL");
    ctx.every(Math.max(100, args.fetchRetryMs / 2), "PULL");
    return {
      args,
      queue: log === null ? [...args.files] : [log, ...args.files],
      staged: undefined,
      asked: new Map(),
      early: new Map(),
      verified: [],
      log: null,
      refusal: null,
      progressAt: performance.now(),
      mismatches: 0,
      isFinished: false,
    };
  },
  handle: {
    PULL: (state, _body, ctx) => pull(state, ctx),
    END(_state, _body, ctx) {
      ctx.exit();
    },
    async FROM_HOLDER(state, message, ctx) {
      const wanted = state.queue[0];
      if (wanted === undefined || message.body.filename !== wanted.filename) return;
      if (message.type === "MISSING") {
        // Its build may be as good as any: what is lost is what came of it.
        const { holder } = state.args.source;
        const reason = `${wanted.filename}: ${holder} cannot send it: ${message.body.reason}`;
        await refuse(state, ctx, "slave-lost", reason);
        return;
      }
      const { offset, data } = message.body;
      if (!state.asked.has(offset) || data.length !== lengthAt(wanted, offset)) {
        state.args.refusals.count("chunk that was not asked for");
        return;
      }
      state.early.set(offset, data);
      state.progressAt = performance.now();
      await pull(state, ctx);
    },
  },
  async stop(state) {
    await state.staged?.close();
  },
});

const lengthAt = (wanted: Wanted, offset: number): number =>
  Math.min(CHUNK_BYTES, wanted.sizeBytes - offset);

/** Writes what is in order, asks for what is missing, and goes to the next file at the end of one. */
async function pull(state: State, ctx: Context): Promise<void> {
  for (;;) {
    const wanted = state.queue[0];
    if (wanted === undefined) {
      finish(state, ctx);
      return;
    }
    const isTooLong =
      wanted.sizeBytes > (wanted.filename === LOG_FILENAME ? MAX_LOG_BYTES : MAX_WHEEL_BYTES);
    if (isTooLong) {
      const reason = `${wanted.filename}: ${wanted.sizeBytes} bytes are over the limit`;
      await refuse(state, ctx, "bad-wheel", reason);
      continue;
    }
    if (wanted.filename !== LOG_FILENAME && (await isStored(state, ctx, wanted))) {
      next(state);
      continue;
    }
    state.staged ??= await state.args.storage.openStaged(
      state.args.delivery.token,
      wanted.filename,
    );
    if (!(await write(state, ctx, wanted))) return;
    if (state.staged.lengthBytes < wanted.sizeBytes) {
      ask(state, ctx, wanted);
      return;
    }
    await complete(state, ctx, wanted);
  }
}

/** False while the disk is full: the transfer waits for room. */
async function write(state: State, ctx: Context, wanted: Wanted): Promise<boolean> {
  const { staged } = state;
  if (staged === undefined) return true;
  // What an earlier manifest under the same name left may be longer than this one.
  if (staged.lengthBytes > wanted.sizeBytes) await staged.reset();
  for (;;) {
    const offset = staged.lengthBytes;
    const data = state.early.get(offset);
    if (data === undefined) break;
    try {
      await staged.append(data);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== "full") throw error;
      ctx.degraded("the output disk is full");
      state.progressAt = performance.now();
      return false;
    }
    ctx.healthy();
    state.early.delete(offset);
    state.asked.delete(offset);
  }
  return true;
}

function ask(state: State, ctx: Context, wanted: Wanted): void {
  const { args, staged } = state;
  const now = performance.now();
  if (now - state.progressAt > args.stallMs) {
    ctx.log.warn({ build: args.delivery.token, file: wanted.filename }, "no byte came: given up");
    ctx.exit();
    return;
  }
  if (staged === undefined) return;
  let offset = staged.lengthBytes;
  for (let at = 0; at < WINDOW && offset < wanted.sizeBytes; at += 1) {
    const askedAt = state.asked.get(offset);
    const isDue = askedAt === undefined || now - askedAt > args.fetchRetryMs;
    if (isDue && !state.early.has(offset)) {
      state.asked.set(offset, now);
      args.source.fetch({
        token: args.delivery.token,
        filename: wanted.filename,
        offset,
        lengthBytes: lengthAt(wanted, offset),
      });
    }
    offset += CHUNK_BYTES;
  }
}

/** The whole file has arrived: its hash, then what it must be, then it is a blob. */
async function complete(state: State, ctx: Context, wanted: Wanted): Promise<void> {
  const { args, staged } = state;
  if (staged === undefined) return;
  if (staged.sha256() !== wanted.sha256) {
    state.mismatches += 1;
    await staged.reset();
    state.asked.clear();
    state.early.clear();
    ctx.log.warn({ build: args.delivery.token, file: wanted.filename }, "wrong hash on arrival");
    state.args.refusals.count("file of another hash");
    if (state.mismatches > 1) {
      const reason = `${wanted.filename}: its bytes are not those of its SHA-256`;
      await refuse(state, ctx, "bad-wheel", reason);
    }
    return;
  }
  await staged.close();
  state.staged = undefined;
  if (wanted.filename === LOG_FILENAME) {
    await args.storage.commitBlob(args.delivery.token, wanted.filename, wanted.sha256);
    state.log = { sha256: wanted.sha256, sizeBytes: wanted.sizeBytes };
  } else {
    const path = args.storage.stagedPath(args.delivery.token, wanted.filename);
    const problem = await verify(state, wanted, path);
    if (problem !== undefined) {
      await refuse(state, ctx, "bad-wheel", `${wanted.filename}: ${problem}`);
      return;
    }
    await args.storage.commitBlob(args.delivery.token, wanted.filename, wanted.sha256);
  }
  next(state);
}

/**
 * A blob that an earlier transfer stored is verified where it lies instead of pulled again. Its grace
 * begins anew, so that no sweep takes it before it is settled.
 */
async function isStored(state: State, ctx: Context, wanted: Wanted): Promise<boolean> {
  if (state.staged !== undefined || !(await state.args.storage.touchBlob(wanted.sha256)))
    return false;
  const problem = await verify(state, wanted, state.args.storage.blobPath(wanted.sha256));
  if (problem !== undefined)
    ctx.log.warn({ file: wanted.filename, problem }, "stored, but refused");
  return problem === undefined;
}

/** What is wrong with a wheel; undefined when it is what the build was to make. */
async function verify(state: State, wanted: Wanted, path: string): Promise<string | undefined> {
  const { delivery, storage, checkWheel } = state.args;
  const checked = await checkWheel({ path, filename: wanted.filename, delivery });
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
  };
  // Within the bounds of what can be said of a file, or nobody could be told of it.
  const excess = verifiedFileSchema.safeParse(file).error?.issues[0]?.path.join(".");
  if (excess !== undefined) return `its ${excess} is more than a wheel may have`;
  state.verified.push(file);
  return undefined;
}

/** Goes on with the next file. The first refusal is the one that is told. */
async function refuse(state: State, ctx: Context, cause: Cause, message: string): Promise<void> {
  ctx.log.warn({ build: state.args.delivery.token, cause, reason: message }, "file refused");
  state.args.refusals.count(`file (${cause})`);
  state.refusal ??= { cause, message: message.slice(0, MAX_REFUSAL_LENGTH) };
  await state.staged?.close();
  next(state);
}

function next(state: State): void {
  state.queue.shift();
  state.staged = undefined;
  state.asked.clear();
  state.early.clear();
  state.mismatches = 0;
}

function finish(state: State, ctx: Context): void {
  const { juggler, delivery } = state.args;
  if (state.isFinished) return;
  state.isFinished = true;
  // The news of this actor's end would overtake a told result.
  ctx.run(async () => {
    await juggler.ask("COLLECTED", {
      token: delivery.token,
      collected: { files: state.verified, log: state.log, refusal: state.refusal },
    });
    ctx.self.tell("END");
  });
}
