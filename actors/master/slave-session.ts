/**
 * The session of one connected slave: HELLO, then builds one after another until it leaves or is lost.
 * It asks the Architect for work, has leases renewed, and walks a finished build from its files to
 * DONE. What it knows beyond the database is only what the slave said last: when it crashes the slave
 * says HELLO again and nothing is lost.
 *
 * States: greeting -> idle -> building -> delivering -> cleaning (until it says IDLE) -> idle; gone ends it. A message that does not fit its
 * state gets DIE and a line in the log, and harms no other slave.
 */
import type { RetryRule } from "../../db/leases.ts";
import type { FromSlave, ToSlave } from "../../protocol/links/slave.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { Token } from "../../protocol/model/build.ts";
import { isPartOf, type LogPart, MAX_LOG_PART_BYTES } from "../../protocol/model/build-log.ts";
import type { Delivery } from "../../protocol/model/delivery.ts";
import type { HostStats } from "../../protocol/model/host.ts";
import {
  type BuildInHand,
  type SlaveFacts,
  sortedTargets,
} from "../../protocol/model/slave-now.ts";
import {
  type ActorContext,
  type ActorRef,
  type BodyOf,
  type Deferred,
  defineActor,
  type MessageOf,
  type Peer,
  type PeerEnd,
  Refusal,
  type Timer,
} from "../../supervisor/index.ts";
import type { Colleagues } from "./colleagues.ts";
import { askUntilDone } from "./database.ts";
import { deliver } from "./delivery.ts";
import type { EndpointMessages } from "./endpoint.ts";
import type { TaskRefusals } from "./refusals.ts";
import type { SlaveDriverMessages } from "./slave-driver.ts";

export interface SlaveSessionMessages {
  FROM_SLAVE(message: MessageOf<FromSlave>): void;
  GONE(body: { readonly end: PeerEnd }): void;
  /** As the Slave Driver is asked it. */
  READ_LOG(body: LogQuestion): LogPart | null;
  /** The slave did not answer in time. */
  LOG_LATE(body: { readonly question: number }): void;
  RENEWED(body: { readonly token: Token; readonly isHeld: boolean }): void;
  /** `isOurs` is false for a token that this slave was never given. */
  DELIVERED(body: { readonly token: Token; readonly isOurs: boolean }): void;
  /** A person wants this of the slave, and the Slave Driver has told it. */
  STEERED(body: Steered): void;
  /** The leases of a killed slave are released. */
  RELEASED(): void;
  /** A Slave Driver that was started again does not know what this slave does. */
  INTRODUCE(): void;
}

export type LogQuestion = Pick<
  Parameters<ToSlaveDriver["READ_LOG"]>[0],
  "token" | "position" | "waitMs"
>;
export type Steered =
  | { readonly action: "kill" }
  | { readonly action: "sleep"; readonly reason: string }
  | { readonly action: "wake" }
  | { readonly action: "skip"; readonly token: Token };

export interface SessionContext
  extends Pick<
    Colleagues,
    "database" | "architect" | "fileJuggler" | "secretary" | "status" | "http" | "bigBrother"
  > {
  readonly peer: Peer;
  readonly link: ActorRef<EndpointMessages<ToSlave>>;
  readonly slaveDriver: ActorRef<SlaveDriverMessages>;
  readonly refusals: TaskRefusals;
  readonly productVersion: string;
  readonly upstreamIndex: string;
  /** The farm's own Simple API where it was configured; else the built-in server is asked. */
  readonly farmIndex: string | undefined;
  readonly busyIntervalMs: number;
  readonly idleIntervalMs: number;
  readonly leaseMs: number;
  readonly retry: RetryRule;
}

interface State extends SessionContext {
  phase: "greeting" | "idle" | "building" | "delivering" | "cleaning";
  label: string;
  slaveId: number;
  targetIds: readonly number[];
  /** The build in hand, as BUILD or HELLO said. */
  running: Token | undefined;
  /** What the build in hand is, once somebody has asked; null: not this slave's. */
  subject: { readonly token: Token; readonly named: Promise<Subject | null> } | undefined;
  /** Of the last word of a runner that was passed on (monotonic ms). */
  statusAtMs: number;
  /** Finished builds that the slave still holds. */
  readonly finished: Set<Token>;
  readonly delivering: Set<Token>;
  /** RENEW that is not answered yet; meanwhile BUSY asks for nothing. */
  isRenewing: boolean;
  /** READ_LOG that the slave has not answered yet, by number. */
  readonly logQuestions: Map<number, OpenQuestion>;
  lastQuestion: number;
  /** Builds that a person had the slave drop; the last ones. */
  readonly passed: Set<Token>;
  /** Why a person has put it to sleep; null: nobody has. */
  asleep: string | null;
  /** A person has killed it or revoked its key; `released` once nobody waits for its builds any more. */
  killed: "no" | "yes" | "released";
  hasGone: boolean;
  /** What the Slave Driver was told last, as text; empty: not yet, or it does not know any more. */
  told: string;
  facts: SlaveFacts;
  /** The build in hand as monitors see it, once it is known. */
  inHand: BuildInHand | null;
}

interface OpenQuestion {
  readonly position: number;
  readonly reply: Deferred<LogPart | null>;
  readonly timer: Timer;
}

type Subject = Pick<Delivery, "package" | "version" | "target">;

type Context = ActorContext<SlaveSessionMessages>;
type Body<K extends keyof FromSlave> = BodyOf<FromSlave, K>;

const NO_FACTS: SlaveFacts = {
  ...{ slot: "", identity: "", hostname: "", os: "", board: "", version: "" },
  targets: [],
};

/** As many dropped builds as may still be spoken of by messages on their way. */
const MAX_PASSED = 100;
/** Builds of one slave whose files may be on their way; it gets no new one beyond that. */
const MAX_DELIVERING = 4;
/** More than HELLO may list, and what can end after it. */
const MAX_FINISHED = 1_100;
/** Parts of logs that one slave is asked for at a time; each may be of 64 KiB. */
const MAX_LOG_QUESTIONS = 8;
/** How much longer than it was told to a slave may take for an answer. */
const LOG_GRACE_MS = 2_000;
const MIN_STATUS_INTERVAL_MS = 200;

export const slaveSession = defineActor<SlaveSessionMessages, SessionContext, State>({
  name: "the session of one build slave",
  mailbox: { bound: 1_000 },
  // A slave that says too much must not push out what it is told, nor what its own work comes to. GONE keeps its
  // place: it must not overtake BYE.
  control: ["DELIVERED", "LOG_LATE", "RELEASED", "RENEWED", "STEERED"],
  // Waits for a database that is away; the slave goes on building meanwhile.
  handlerTimeoutMs: 0,
  init: (_ctx, context) => ({
    ...context,
    phase: "greeting",
    label: context.peer.identity,
    slaveId: 0,
    targetIds: [],
    running: undefined,
    subject: undefined,
    statusAtMs: Number.NEGATIVE_INFINITY,
    finished: new Set(),
    delivering: new Set(),
    isRenewing: false,
    logQuestions: new Map(),
    lastQuestion: 0,
    passed: new Set(),
    asleep: null,
    killed: "no",
    hasGone: false,
    told: "",
    facts: NO_FACTS,
    inHand: null,
  }),
  handle: {
    async FROM_SLAVE(state, message, ctx) {
      // What it says before it hears of its end changes nothing.
      if (state.killed !== "no") return;
      if (message.type !== "HELLO" && state.phase === "greeting") {
        refuse(state, ctx, `${message.type} before HELLO`);
        return;
      }
      switch (message.type) {
        case "HELLO":
          try {
            await greet(state, message.body, ctx);
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            refuse(state, ctx, `HELLO could not be recorded: ${error.message}`);
          }
          return;
        case "IDLE":
          tellHost(state, message.body.stats);
          await offerWork(state, ctx);
          return;
        case "BUSY":
          tellHost(state, message.body.stats);
          // It was told to drop this one, and that was lost, or is still on its way.
          if (state.passed.has(message.body.token)) drop(state, message.body.token, "running");
          else renew(state, message.body.token, ctx);
          tellPresence(state);
          return;
        case "STATUS":
          passOn(state, message.body, ctx);
          return;
        case "BUILT":
          // One that it was told to drop had ended before it heard that: it is as good as any.
          state.passed.delete(message.body.token);
          receive(state, message.body, ctx);
          tellPresence(state);
          return;
        case "SENT":
        case "PROBE":
          // The Slave Driver answers PROBE itself.
          return;
        case "LOG_PART":
          takeLogPart(state, message.body, ctx);
          return;
        case "BYE":
          await leave(state, message.body, ctx);
          return;
      }
    },
    GONE(state, { end }, ctx) {
      ctx.log.info({ slave: state.label, end }, "slave is gone");
      state.hasGone = true;
      if (end === "revoked") giveUp(state, ctx);
      if (state.killed !== "yes") ctx.exit();
    },
    READ_LOG: (state, question, ctx) => askForLog(state, question, ctx),
    LOG_LATE(state, { question }) {
      const open = state.logQuestions.get(question);
      state.logQuestions.delete(question);
      open?.reply.reject(absent("the slave does not answer"));
    },
    RENEWED(state, { token, isHeld }, ctx) {
      // A build that has ended meanwhile is delivered whatever became of its lease.
      if (state.finished.has(token) || state.passed.has(token)) return;
      if (isHeld) {
        send(state, { type: "CONT", body: {} });
        return;
      }
      drop(state, token, "running");
      tellPresence(state);
      // Cancelled, it may still be there; it is not to be waited for until it expires.
      ctx.run(() => release(state, ctx, [token]));
    },
    DELIVERED(state, { token, isOurs }) {
      state.delivering.delete(token);
      tellDelivering(state);
      state.finished.delete(token);
      if (state.running === token) state.running = undefined;
      if (state.delivering.size === 0 && state.phase === "delivering") state.phase = "cleaning";
      send(state, { type: "DONE", body: { token } });
      if (!isOurs) state.refusals.count("build that was not given to the slave");
      if (isOurs) state.fileJuggler.tell("CLEAR", { token });
      tellPresence(state);
    },
    STEERED(state, steered, ctx) {
      switch (steered.action) {
        case "sleep":
          state.asleep = steered.reason;
          return;
        case "wake":
          state.asleep = null;
          return;
        case "skip":
          pass(state, steered.token, ctx);
          return;
        case "kill":
          die(state, ctx);
          return;
      }
    },
    RELEASED(state, _body, ctx) {
      state.killed = "released";
      if (state.hasGone) ctx.exit();
    },
    INTRODUCE(state) {
      state.told = "";
      tellDelivering(state);
      tellPresence(state);
    },
  },
});

async function greet(state: State, hello: Body<"HELLO">, ctx: Context): Promise<void> {
  if (state.phase !== "greeting") {
    refuse(state, ctx, "HELLO said twice");
    return;
  }
  state.label = hello.label;
  if (hello.version !== state.productVersion) {
    const reason =
      `this slave is version ${hello.version}, the master is ${state.productVersion}: ` +
      "install the same version on both; what the slave has finished is delivered then";
    ctx.log.warn({ slave: state.label }, reason);
    state.refusals.count("slave of another version");
    send(state, { type: "DIE", body: { reason, final: true, now: false } });
    ctx.exit();
    return;
  }
  const welcome = await askUntilDone(ctx, state.database, "helloSlave", {
    identity: state.peer.identity,
    slot: state.peer.slot,
    label: hello.label,
    productVersion: hello.version,
    host: hello.host,
    targets: hello.targets,
    running: hello.running,
    finished: hello.finished,
    leaseMs: state.leaseMs,
    retry: state.retry,
  });
  state.slaveId = welcome.slaveId;
  state.targetIds = welcome.targetIds;
  state.asleep = welcome.asleep;
  state.inHand = welcome.inHand;
  const { identity, slot } = state.peer;
  const { os, board, hostname } = hello.host;
  const targets = sortedTargets(hello.targets.map((target) => target.name));
  state.facts = { slot, identity, hostname, os, board, version: hello.version, targets };
  const dropped = new Set(welcome.drop);
  state.running = hello.running.find((token) => !dropped.has(token));
  for (const token of hello.finished) if (!dropped.has(token)) state.finished.add(token);
  state.phase = state.running === undefined ? "idle" : "building";
  if (welcome.isNewTarget) state.architect.tell("TARGETS_CHANGED");
  send(state, {
    type: "ACK",
    body: {
      version: state.productVersion,
      slaveId: welcome.slaveId,
      upstreamIndex: state.upstreamIndex,
      farmIndex: await findFarmIndex(state),
      busyIntervalMs: state.busyIntervalMs,
      idleIntervalMs: state.idleIntervalMs,
    },
  });
  // One that it still ran may be finished by now: settling decides what that is worth.
  for (const token of dropped)
    drop(state, token, hello.finished.includes(token) ? "any" : "running");
  // What an earlier session fetched of them, and could not clear before it ended.
  for (const token of welcome.settled) state.fileJuggler.tell("CLEAR", { token });
  ctx.log.info(
    {
      slave: state.label,
      targets: hello.targets.map((target) => target.name),
      running: hello.running,
      finished: hello.finished,
    },
    "slave is here",
  );
  tellPresence(state);
}

/** Null while the built-in server is not up: the slave builds with the upstream index alone. */
export async function findFarmIndex({
  farmIndex,
  http,
}: Pick<SessionContext, "farmIndex" | "http">): Promise<string | null> {
  if (farmIndex !== undefined) return farmIndex;
  try {
    const { url } = await http.ask("ADDRESS");
    return url === null ? null : `${url}/simple`;
  } catch {
    return null;
  }
}

async function offerWork(state: State, ctx: Context): Promise<void> {
  state.phase = "idle";
  state.running = undefined;
  tellPresence(state);
  if (state.delivering.size >= MAX_DELIVERING) {
    send(state, { type: "SLEEP", body: { reason: state.asleep } });
    return;
  }
  let order: Awaited<ReturnType<typeof lease>> = null;
  const lease = () =>
    state.architect.ask(
      "LEASE",
      {
        slaveId: state.slaveId,
        targetIds: state.targetIds,
        // One that it was told to drop may not be released yet.
        holding: [...state.finished, ...state.delivering, ...state.passed],
      },
      { timeoutMs: 20_000, signal: ctx.signal },
    );
  try {
    order = await lease();
    if (order === null) {
      // Work that came since then woke only who was known to sleep: so say it, and look once more. To wake one that
      // a person has put to sleep would be a waking lost.
      if (state.asleep === null)
        state.slaveDriver.tell("SLEEPING", { peerId: state.peer.id, targetIds: state.targetIds });
      order = await lease();
    }
  } catch (error) {
    ctx.log.warn({ err: error, slave: state.label }, "the Architect gave no answer");
  }
  if (order === null) {
    send(state, { type: "SLEEP", body: { reason: state.asleep } });
    return;
  }
  state.slaveDriver.tell("AWAKE", { peerId: state.peer.id });
  state.running = order.token;
  state.phase = "building";
  const { token, package: name, version, target } = order;
  const subject = { package: name, version, target };
  state.subject = { token, named: Promise.resolve(subject) };
  state.inHand = { token, ...subject, sinceAt: Date.now() };
  tellPresence(state);
  send(state, { type: "BUILD", body: order });
  ctx.log.info(
    { slave: state.label, package: order.package, version: order.version, build: order.token },
    "build leased",
  );
  state.status.tell("EVENT", {
    kind: "build-started",
    token: order.token,
    package: order.package,
    version: order.version,
    target: order.target,
    slave: state.label,
    slaveId: state.slaveId,
  });
}

function askForLog(
  state: State,
  { token, position, waitMs }: LogQuestion,
  ctx: Context,
): Deferred<LogPart | null> {
  if (state.phase === "greeting") throw absent("the slave has only just connected");
  if (state.logQuestions.size >= MAX_LOG_QUESTIONS)
    throw new Refusal("the slave is asked for too many logs now", { code: "busy" });
  state.lastQuestion += 1;
  const question = state.lastQuestion;
  const reply = ctx.defer<LogPart | null>();
  const timer = ctx.after(waitMs + LOG_GRACE_MS, "LOG_LATE", { question });
  state.logQuestions.set(question, { position, reply, timer });
  const maxBytes = MAX_LOG_PART_BYTES;
  send(state, { type: "READ_LOG", body: { question, token, position, maxBytes, waitMs } });
  return reply;
}

/** An answer that nobody waits for any more is late. */
function takeLogPart(state: State, { question, part }: Body<"LOG_PART">, ctx: Context): void {
  const open = state.logQuestions.get(question);
  if (open === undefined) return;
  state.logQuestions.delete(question);
  open.timer.cancel();
  if (part !== null && !isPartOf(part, open.position, MAX_LOG_PART_BYTES)) {
    open.reply.reject(absent("the slave answers what it was not asked"));
    refuse(state, ctx, "LOG_PART is not what was asked for");
    return;
  }
  open.reply.resolve(part);
}

const absent = (reason: string): Refusal => new Refusal(reason, { code: "absent" });

/** A slave says one a second; what comes faster is not passed on, so that none can drown the others' news. */
function passOn(state: State, { token, status, text }: Body<"STATUS">, ctx: Context): void {
  const now = performance.now();
  if (token !== state.running || now - state.statusAtMs < MIN_STATUS_INTERVAL_MS) return;
  state.statusAtMs = now;
  // After a new HELLO only the token is known; the database says what it stands for, once.
  if (state.subject?.token !== token) state.subject = { token, named: nameOf(state, token, ctx) };
  const { named } = state.subject;
  ctx.run(async () => {
    const subject = await named;
    if (subject === null) return;
    state.status.tell("EVENT", {
      kind: "build-status",
      token,
      ...subject,
      slave: state.label,
      slaveId: state.slaveId,
      status,
      text,
    });
  });
}

/** It has one that nobody here gave it: an answer was lost, or its session crashed. */
function nameInHand(state: State, token: Token, ctx: Context): void {
  if (state.subject?.token === token) return;
  const named = nameOf(state, token, ctx);
  state.subject = { token, named };
  const sinceAt = Date.now();
  ctx.run(async () => {
    const subject = await named;
    if (subject === null || state.running !== token) return;
    state.inHand = { token, ...subject, sinceAt };
    tellPresence(state);
  });
}

async function nameOf(state: State, token: Token, ctx: Context): Promise<Subject | null> {
  try {
    const found = await askUntilDone(ctx, state.database, "findDelivery", { token });
    if (found?.slaveId !== state.slaveId) return null;
    return { package: found.package, version: found.version, target: found.target };
  } catch {
    return null;
  }
}

function renew(state: State, token: Token, ctx: Context): void {
  state.running = token;
  state.phase = "building";
  if (state.inHand?.token !== token) nameInHand(state, token, ctx);
  if (state.isRenewing) return;
  state.isRenewing = true;
  ctx.run(async (signal) => {
    const isHeld = await whetherHeld(state, token, signal);
    state.isRenewing = false;
    if (isHeld !== undefined) ctx.self.tell("RENEWED", { token, isHeld });
  });
}

/** Undefined when nobody could say: the build goes on. */
async function whetherHeld(
  state: State,
  token: Token,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    return await state.architect.ask(
      "RENEW",
      { token, slaveId: state.slaveId },
      { timeoutMs: 60_000, signal },
    );
  } catch {
    return undefined;
  }
}

/** Said again while it is delivered already, BUILT changes nothing. */
function receive(state: State, { token, result }: Body<"BUILT">, ctx: Context): void {
  if (!state.finished.has(token) && state.finished.size >= MAX_FINISHED) {
    refuse(state, ctx, "BUILT for more builds than a slave can hold");
    return;
  }
  if (state.running === token) state.running = undefined;
  state.finished.add(token);
  state.phase = "delivering";
  // What is over the limit is said again by the slave, and taken then.
  if (state.delivering.has(token) || state.delivering.size >= MAX_DELIVERING) return;
  state.delivering.add(token);
  tellDelivering(state);
  ctx.run(async (signal) => {
    // The slave is silent while its files are pulled: the master keeps the lease.
    const renewal = setInterval(() => {
      void whetherHeld(state, token, signal);
    }, state.busyIntervalMs);
    const stopRenewing = () => clearInterval(renewal);
    try {
      const isOurs = await deliver(state, token, result, ctx, signal, stopRenewing);
      ctx.self.tell("DELIVERED", { token, isOurs });
    } finally {
      stopRenewing();
    }
  });
}

/** `isPassed`: a person had it dropped. */
async function release(
  state: State,
  ctx: Context,
  tokens: readonly Token[],
  isPassed = false,
): Promise<void> {
  const args = { slaveId: state.slaveId, tokens: [...tokens], isPassed, retry: state.retry };
  try {
    await askUntilDone(ctx, state.database, "releaseLeases", args);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ctx.log.warn({ err: error, builds: tokens }, "a lease could not be released; it expires");
  }
}

async function leave(state: State, bye: Body<"BYE">, ctx: Context): Promise<void> {
  const { running } = state;
  if (running !== undefined && !bye.finished.includes(running))
    await release(state, ctx, [running]);
  ctx.log.info({ slave: state.label }, "slave says BYE");
  ctx.exit();
}

/** The slave was told to drop it: others may have it as soon as the database knows. */
function pass(state: State, token: Token, ctx: Context): void {
  // It had ended before the slave was told, which keeps it then.
  if (state.finished.has(token)) return;
  ctx.log.info({ slave: state.label, build: token }, "a person has this slave skip its build");
  state.passed.add(token);
  for (const oldest of state.passed) {
    if (state.passed.size <= MAX_PASSED) break;
    state.passed.delete(oldest);
  }
  if (state.running === token) {
    state.running = undefined;
    state.phase = "idle";
  }
  tellPresence(state);
  ctx.run(() => release(state, ctx, [token], true));
}

/** The session stays until the slave has closed it: the end of its connection says that it has heard DIE. */
function die(state: State, ctx: Context): void {
  if (state.killed !== "no") return;
  const { running } = state;
  ctx.log.warn({ slave: state.label, build: running }, "a person has killed this slave");
  releaseForGood(state, ctx, running === undefined ? [] : [running]);
}

/** It may not come again: nobody is to wait until its leases run out. What it has finished is for others, too. */
function giveUp(state: State, ctx: Context): void {
  if (state.killed !== "no") return;
  const { running, finished } = state;
  releaseForGood(state, ctx, [...(running === undefined ? [] : [running]), ...finished]);
}

/** The session stays until the database knows, also where that is away. */
function releaseForGood(state: State, ctx: Context, tokens: readonly Token[]): void {
  state.killed = tokens.length === 0 ? "released" : "yes";
  if (tokens.length === 0) return;
  ctx.run(async () => {
    await release(state, ctx, tokens);
    ctx.self.tell("RELEASED");
  });
}

function refuse(state: State, ctx: Context, reason: string): void {
  ctx.log.warn({ slave: state.label, reason }, "a message out of order");
  state.refusals.count("message out of order");
  send(state, { type: "DIE", body: { reason, final: false, now: false } });
  ctx.exit();
}

/**
 * The slave is to forget the token: it is settled, cancelled, or somebody else's. Only a `running` one, where the
 * slave may say BUILT at this moment.
 */
function drop(state: State, token: Token, which: "any" | "running" = "any"): void {
  if (state.running === token) {
    state.running = undefined;
    state.phase = "idle";
  }
  if (which === "any") state.finished.delete(token);
  send(state, {
    type: "DONE",
    body: { token, ...(which === "running" && { ifRunning: true }) },
  });
}

/** Where it has changed; the Slave Driver goes by it when a person asks, or wants something of the slave. */
function tellPresence(state: State): void {
  const { phase, slaveId, label, running = null } = state;
  if (phase === "greeting") return;
  const build = running === state.inHand?.token ? state.inHand : null;
  const delivering = state.delivering.size;
  const told = `${phase} ${running} ${build?.token} ${delivering}`;
  if (told === state.told) return;
  const greeting = state.told === "" ? { facts: state.facts, asleep: state.asleep } : null;
  state.told = told;
  const presence = { slaveId, label, phase, running };
  const word = { presence, build, delivering, greeting };
  state.slaveDriver.tell("PRESENCE", { peerId: state.peer.id, word });
}

/** So that the end of the master can wait for what is on its way. */
function tellDelivering({ slaveDriver, peer, delivering }: State): void {
  slaveDriver.tell("DELIVERING", { peerId: peer.id, count: delivering.size });
}

function tellHost({ bigBrother, slaveId, label }: State, stats: HostStats): void {
  bigBrother.tell("HOST", { slaveId, label, stats });
}

function send(state: State, message: MessageOf<ToSlave>): void {
  state.link.tell("SEND", { peer: state.peer, message });
}
