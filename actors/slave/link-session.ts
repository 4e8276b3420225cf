/**
 * The slave's end of the slave link: says HELLO, asks for work, reports the build in hand and what is
 * finished, and does what the master says. It holds no truth of its own: the builder knows what runs, the
 * outbox what is finished, so that a new incarnation or a new session begins with HELLO and loses nothing.
 *
 * States: `down` (no session; the endpoint goes on trying) -> `greeting` (HELLO said) -> `ready`.
 * In `ready` the slave is, in this order: delivering (the outbox holds builds), busy, or idle. DIE leads to
 * `away`, a while without any connection, or ends the slave.
 */

import { diskRoom, hostStats } from "../../protocol/host/host-reader.ts";
import { type FromSlave, slaveLink, type ToSlave } from "../../protocol/links/slave.ts";
import type { Token } from "../../protocol/model/build.ts";
import type { LogPart } from "../../protocol/model/build-log.ts";
import type { DiskRoom, HostFacts } from "../../protocol/model/host.ts";
import type { TargetSpec } from "../../protocol/model/target.ts";
import {
  type ActorContext,
  type ActorRef,
  type BodyOf,
  type ClientEndpoint,
  defineActor,
  isOrderly,
  type MessageOf,
  type Timer,
} from "../../supervisor/index.ts";
import type { BuildLogs } from "./build-logs.ts";
import { type Connection, openLink } from "./connection.ts";
import type { BuilderMessages, FileSenderMessages, LinkSessionMessages } from "./messages.ts";
import type { Outbox } from "./outbox.ts";

export interface Refusal {
  /** The whole slave, whatever its other jobs build. */
  readonly now: boolean;
  /** By a person's word, which is not a matter of what the slave is. */
  readonly isTold: boolean;
}

export interface LinkSessionArgs {
  readonly connection: Connection;
  /** Which of the slave's jobs this is. */
  readonly job: number;
  /** False: it delivers what an earlier slave of more jobs has left, and leaves. */
  readonly takesBuilds: boolean;
  /** Where the builder lives. */
  readonly builderPath: string;
  /** Where the file sender lives. */
  readonly filesPath: string;
  readonly outbox: Outbox;
  readonly logs: BuildLogs;
  readonly version: string;
  readonly label: string;
  readonly host: HostFacts;
  readonly targets: readonly TargetSpec[];
  readonly timeoutMs: number;
  /** How often to ask for work; the master's word counts where it is shorter or this is undefined. */
  readonly pollMs: number | undefined;
  /** The disk whose room is reported. */
  readonly folder: string;
  /** The master wants this job to leave for good. */
  readonly refused: (reason: string, how: Refusal) => void;
  /** It has delivered all that it was there for. */
  readonly delivered: () => void;
}

interface State extends LinkSessionArgs {
  readonly builder: ActorRef<BuilderMessages>;
  readonly files: ActorRef<FileSenderMessages>;
  phase: "down" | "greeting" | "ready" | "away";
  endpoint: ClientEndpoint<FromSlave> | undefined;
  /** Counts endpoints, so that what an old one still says is known as such. */
  session: number;
  ack: BodyOf<ToSlave, "ACK"> | undefined;
  readyAtMs: number;
  running: Token | undefined;
  /** BUILT was said of it in this session; it is said again until DONE. */
  delivering: Token | undefined;
  /** The master cannot take it now. */
  held: Token | undefined;
  isIdle: boolean;
  /** The disk has no room for a build: none is asked for. */
  isFull: boolean;
  /** Why the master gives it nothing until it is woken. */
  asleep: string | null;
  timer: Timer | undefined;
  /** READ_LOG that are not answered yet. */
  logQuestions: number;
  /** DIE was said this often in a row. */
  refusals: number;
  /** The slave leaves with these words once the build in hand is safe. */
  lastWords: string | undefined;
  lastDown: string;
}

type Context = ActorContext<LinkSessionMessages>;

/** What BUSY and HELLO may list. */
const MAX_FINISHED = 1_000;
/** With less than this free no build is asked for: it could not even be begun, or its result not be kept. */
const DISK_RESERVE_BYTES = 50_000_000;
const LONGEST_AWAY_MS = 60_000;
/** More than a master asks at a time. Beyond it the answer is that there is nothing more yet. */
const MAX_LOG_QUESTIONS = 16;

export const linkSession = defineActor<LinkSessionMessages, LinkSessionArgs, State>({
  name: "talks with the master",
  init(ctx, args) {
    const state: State = {
      ...args,
      builder: ctx.ref(args.builderPath),
      files: ctx.ref(args.filesPath),
      phase: "away",
      endpoint: undefined,
      session: 0,
      ack: undefined,
      readyAtMs: 0,
      running: undefined,
      delivering: undefined,
      held: undefined,
      isIdle: false,
      isFull: false,
      asleep: null,
      timer: undefined,
      logQuestions: 0,
      refusals: 0,
      lastWords: undefined,
      lastDown: "",
    };
    open(state, ctx);
    return state;
  },
  handle: {
    OPEN(state, _body, ctx) {
      if (state.phase === "away") open(state, ctx);
    },
    async UP(state, { session }, ctx) {
      if (session !== state.session) return;
      ctx.healthy();
      state.lastDown = "";
      await greet(state, ctx);
    },
    DOWN(state, { session, reason }, ctx) {
      if (session === state.session) lose(state, reason, ctx);
    },
    async RECEIVED(state, { session, message }, ctx) {
      if (session === state.session) await obey(state, message, ctx);
    },
    async FINISHED(state, { token }, ctx) {
      if (state.running === token) state.running = undefined;
      await goOn(state, ctx);
    },
    STATUS(state, body) {
      if (state.phase === "ready") state.endpoint?.send("STATUS", body);
    },
    async DROPPED(state, { token }, ctx) {
      if (state.running === token) state.running = undefined;
      if (state.delivering === token) state.delivering = undefined;
      if (state.held === token) {
        state.held = undefined;
        ctx.healthy();
      }
      await goOn(state, ctx);
    },
    SENT(state, body) {
      if (state.phase === "ready") state.endpoint?.send("SENT", body);
    },
    async AGAIN(state, _body, ctx) {
      state.isIdle = false;
      // BUILT or the DONE after it may have been lost: said again it changes nothing.
      state.delivering = undefined;
      await goOn(state, ctx);
    },
  },
  async stop(state, reason) {
    // After a crash the next incarnation says HELLO instead: BYE would give the running build away.
    if (state.phase === "ready" && isOrderly(reason)) {
      state.endpoint?.send("BYE", { finished: finishedTokens(state) });
    }
    await state.endpoint?.close();
  },
});

function open(state: State, ctx: Context): void {
  state.session += 1;
  const { session } = state;
  state.phase = "down";
  state.endpoint = openLink(slaveLink, state.connection, ctx.log, {
    up: ctx.bind(() => void ctx.self.tell("UP", { session })),
    down: ctx.bind((reason: string) => void ctx.self.tell("DOWN", { session, reason })),
    message: ctx.bind(
      (message: MessageOf<ToSlave>) => void ctx.self.tell("RECEIVED", { session, message }),
    ),
  });
}

async function greet(state: State, ctx: Context): Promise<void> {
  pauseTalk(state);
  const running = (await state.builder.ask("RUNNING")) ?? undefined;
  const finished = finishedTokens(state);
  // It may have finished a moment ago, before the builder could say so.
  state.running = running !== undefined && finished.includes(running) ? undefined : running;
  state.phase = "greeting";
  ctx.log.debug({ running: state.running, finished }, "saying HELLO");
  state.endpoint?.send("HELLO", {
    version: state.version,
    label: state.label,
    host: state.host,
    targets: [...state.targets],
    timeoutMs: state.timeoutMs,
    running: state.running === undefined ? [] : [state.running],
    finished,
  });
}

function lose(state: State, reason: string, ctx: Context): void {
  const wasReady = state.phase === "ready";
  state.phase = "down";
  pauseTalk(state);
  ctx.degraded(reason);
  // Attempts go on for ever; the log says what is new.
  if (!wasReady && reason === state.lastDown) return;
  state.lastDown = reason;
  const goesOn = state.running === undefined ? "" : "; the build in hand goes on";
  const text = `no connection to the master${goesOn}`;
  // What the master itself said needs a person; the rest mends itself.
  if (/^(?:refused|replaced|dropped)/.test(reason)) ctx.log.warn({ reason }, text);
  else ctx.log.info({ reason }, text);
}

async function obey(state: State, message: MessageOf<ToSlave>, ctx: Context): Promise<void> {
  if (message.type === "DIE") {
    await leave(state, message.body, ctx);
    return;
  }
  if (message.type === "ACK") {
    if (state.phase !== "greeting") return;
    const { version } = message.body;
    if (version !== state.version) {
      const reason = `the master is version ${version}, this slave is ${state.version}: install the same version on both; what the slave has finished is delivered then`;
      await leave(state, { reason, final: true, now: false }, ctx);
      return;
    }
    state.phase = "ready";
    state.ack = message.body;
    state.readyAtMs = performance.now();
    ctx.log.info({ slave: message.body.slaveId }, "the master has this slave");
    await goOn(state, ctx);
    return;
  }
  if (state.phase !== "ready" || state.ack === undefined) {
    ctx.log.warn({ type: message.type }, "the master said this before ACK: ignored");
    return;
  }
  switch (message.type) {
    case "BUILD":
      take(state, message.body, state.ack, ctx);
      return;
    case "DONE":
      // Answered with DROPPED or FINISHED, after which there is something else to do.
      if (message.body.token === state.running) state.timer?.cancel();
      state.builder.tell("DROP", message.body);
      return;
    case "CONT":
      // To a busy slave it says: go on.
      if (state.running !== undefined || state.delivering !== undefined) return;
      state.isIdle = false;
      await goOn(state, ctx);
      return;
    case "READ_LOG":
      readLog(state, message.body, ctx);
      return;
    case "SEND":
      state.files.tell("SERVE", { token: message.body.token });
      return;
    case "HELD":
      hold(state, message.body, ctx);
      return;
    case "SLEEP":
      // Until CONT or the next poll; the build in hand goes on.
      if (message.body.reason !== state.asleep) {
        state.asleep = message.body.reason;
        ctx.log.info({ reason: state.asleep }, state.asleep === null ? "awake" : "asleep");
      }
      return;
  }
}

/** Said of a build again and again while it lasts; a person reads it once. */
function hold(state: State, { token, reason }: BodyOf<ToSlave, "HELD">, ctx: Context): void {
  if (state.delivering !== token) return;
  ctx.degraded(reason);
  if (state.held === token) return;
  state.held = token;
  ctx.log.warn({ build: token, reason }, "the master cannot take this build now; it tries again");
}

/** In the background: it may wait for the build to say more. An answer for an earlier session goes nowhere. */
function readLog(state: State, asked: BodyOf<ToSlave, "READ_LOG">, ctx: Context): void {
  const { session } = state;
  const { question, position } = asked;
  const nothingYet = {
    position,
    skippedBytes: 0,
    data: new Uint8Array(),
    nextPosition: position,
    isEnd: false,
  };
  if (state.logQuestions >= MAX_LOG_QUESTIONS) {
    state.endpoint?.send("LOG_PART", { question, part: nothingYet });
    return;
  }
  state.logQuestions += 1;
  ctx.run(async (signal) => {
    let part: LogPart | undefined = nothingYet;
    try {
      part = await state.logs.read(asked, signal);
    } catch (error) {
      ctx.log.warn({ err: error, build: asked.token }, "a log could not be read");
    } finally {
      state.logQuestions -= 1;
    }
    if (session === state.session && state.phase === "ready")
      state.endpoint?.send("LOG_PART", { question, part: part ?? null });
  });
}

function take(
  state: State,
  order: BodyOf<ToSlave, "BUILD">,
  { upstreamIndex, farmIndex, busyIntervalMs }: BodyOf<ToSlave, "ACK">,
  ctx: Context,
): void {
  if (state.running !== undefined) {
    ctx.log.warn({ build: order.token, inHand: state.running }, "one build at a time: not taken");
    return;
  }
  state.running = order.token;
  state.isIdle = false;
  state.asleep = null;
  sayAgainAfter(state, busyIntervalMs, ctx);
  state.builder.tell("BUILD", { order, upstreamIndex, farmIndex });
}

/** Says what there is to say now: a finished build, the build in hand, or that there is none. */
async function goOn(state: State, ctx: Context): Promise<void> {
  if (state.lastWords !== undefined && state.running === undefined) {
    state.refused(state.lastWords, { now: false, isTold: false });
    return;
  }
  if (state.phase !== "ready" || state.ack === undefined || state.delivering !== undefined) return;
  const [finished] = state.outbox.finished(state.job);
  if (finished !== undefined) {
    state.isIdle = false;
    state.delivering = finished.token;
    state.endpoint?.send("BUILT", { token: finished.token, result: finished.result });
    sayAgainAfter(state, state.ack.busyIntervalMs, ctx);
    return;
  }
  if (!state.takesBuilds) {
    await leaveDelivered(state, ctx);
    return;
  }
  if (state.isIdle) return;
  const room = await diskRoom(state.folder);
  const stats = await hostStats(room);
  if (state.running !== undefined) {
    state.endpoint?.send("BUSY", { token: state.running, stats });
    sayAgainAfter(state, state.ack.busyIntervalMs, ctx);
    return;
  }
  const againMs = Math.min(state.ack.idleIntervalMs, state.pollMs ?? Infinity);
  checkRoom(state, room, ctx);
  if (!state.isFull) {
    state.isIdle = true;
    state.endpoint?.send("IDLE", { stats });
  }
  sayAgainAfter(state, againMs, ctx);
}

/** Said once, and once more when there is room again. */
function checkRoom(state: State, { freeBytes, sizeBytes }: DiskRoom, ctx: Context): void {
  // Of a disk that tells nothing nothing is known.
  const isFull = sizeBytes > 0 && freeBytes < DISK_RESERVE_BYTES;
  const wasFull = state.isFull;
  state.isFull = isFull;
  if (isFull) {
    const reason = `only ${Math.floor(freeBytes / 1e6)} MB are free on the disk of ${state.folder}: no build is asked for until there are ${DISK_RESERVE_BYTES / 1e6}`;
    ctx.degraded(reason);
    if (!wasFull) ctx.log.error({ alarm: true }, reason);
  } else if (wasFull) {
    ctx.healthy();
    ctx.log.info("the disk has room for builds again");
  }
}

async function leaveDelivered(state: State, ctx: Context): Promise<void> {
  ctx.log.info("all that this job had finished is delivered; it is not asked for any more");
  state.phase = "away";
  pauseTalk(state);
  const { endpoint } = state;
  state.endpoint = undefined;
  state.session += 1;
  endpoint?.send("BYE", { finished: [] });
  await endpoint?.close();
  state.delivered();
}

/**
 * DIE in answer to HELLO refuses this slave as it is: what it builds is still of use to the master that
 * takes it after an upgrade, so it ends when that is safe. Later in a session, or where it says so, it means now.
 */
async function leave(
  state: State,
  { reason, final, now }: BodyOf<ToSlave, "DIE">,
  ctx: Context,
): Promise<void> {
  const wasGreeting = state.phase === "greeting";
  const wasLong = state.phase === "ready" && performance.now() - state.readyAtMs > LONGEST_AWAY_MS;
  state.refusals = wasLong ? 1 : state.refusals + 1;
  state.phase = "away";
  pauseTalk(state);
  const { endpoint } = state;
  state.endpoint = undefined;
  state.session += 1;
  await endpoint?.close();
  if (!final) {
    const awayMs = Math.min(LONGEST_AWAY_MS, 500 * 2 ** Math.min(state.refusals, 10));
    ctx.log.warn({ reason, awayMs }, "the master sent this slave away; it comes back");
    ctx.degraded(reason);
    ctx.after(awayMs, "OPEN");
    return;
  }
  if (wasGreeting && !now && state.running !== undefined) {
    ctx.log.error(
      { reason, build: state.running },
      "refused by the master; leaving after this build",
    );
    state.lastWords = reason;
    return;
  }
  ctx.log.error({ reason }, "refused by the master; leaving");
  state.refused(reason, { now: now || !wasGreeting, isTold: now });
}

/** Nothing of an earlier session counts in the next. */
function pauseTalk(state: State): void {
  state.timer?.cancel();
  state.delivering = undefined;
  state.held = undefined;
  state.isIdle = false;
  state.ack = undefined;
}

function sayAgainAfter(state: State, delayMs: number, ctx: Context): void {
  state.timer?.cancel();
  state.timer = ctx.after(delayMs, "AGAIN");
}

const finishedTokens = (state: State): Token[] =>
  state.outbox
    .finished(state.job)
    .slice(0, MAX_FINISHED)
    .map(({ token }) => token);
