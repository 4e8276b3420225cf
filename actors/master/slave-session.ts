/**
 * The session of one connected slave: HELLO, then builds one after another until it leaves or is lost.
 * It asks the Architect for work, has leases renewed, and walks a finished build from its files to
 * DONE. What it knows beyond the database is only what the slave said last: when it crashes the slave
 * says HELLO again and nothing is lost.
 *
 * States: greeting -> idle <-> building <-> delivering; gone ends it. A message that does not fit its
 * state gets DIE and a line in the log, and harms no other slave.
 */
import type { RetryRule } from "../../db/leases.ts";
import type { FromSlave, ToSlave } from "../../protocol/links/slave.ts";
import type { Token } from "../../protocol/model/build.ts";
import type { HostStats } from "../../protocol/model/host.ts";
import {
  type ActorContext,
  type ActorRef,
  type BodyOf,
  defineActor,
  type MessageOf,
  type Peer,
  type PeerEnd,
  Refusal,
} from "../../supervisor/index.ts";
import type { Colleagues } from "./colleagues.ts";
import { askUntilDone } from "./database.ts";
import { deliver } from "./delivery.ts";
import type { EndpointMessages } from "./endpoint.ts";
import type { SlaveDriverMessages } from "./slave-driver.ts";

export interface SlaveSessionMessages {
  FROM_SLAVE(message: MessageOf<FromSlave>): void;
  GONE(body: { readonly end: PeerEnd }): void;
  RENEWED(body: { readonly token: Token; readonly isHeld: boolean }): void;
  /** `isOurs` is false for a token that this slave was never given. */
  DELIVERED(body: { readonly token: Token; readonly isOurs: boolean }): void;
  /** A person wants this of the slave, and the Slave Driver has told it. */
  STEERED(body: Steered): void;
  /** The lease of a killed slave is released. */
  RELEASED(): void;
  /** A Slave Driver that was started again does not know what this slave does. */
  INTRODUCE(): void;
}

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
  phase: "greeting" | "idle" | "building" | "delivering";
  label: string;
  slaveId: number;
  targetIds: readonly number[];
  /** The build in hand, as BUILD or HELLO said. */
  running: Token | undefined;
  /** Finished builds that the slave still holds. */
  readonly finished: Set<Token>;
  readonly delivering: Set<Token>;
  /** Builds that a person had the slave drop; the last ones. */
  readonly passed: Set<Token>;
  /** Why a person has put it to sleep; null: nobody has. */
  asleep: string | null;
  /** DIE was said by a person's word; `released` once nobody waits for its build any more. */
  killed: "no" | "yes" | "released";
  hasGone: boolean;
  /** What the Slave Driver was told last, as text. */
  told: string;
}

type Context = ActorContext<SlaveSessionMessages>;
type Body<K extends keyof FromSlave> = BodyOf<FromSlave, K>;

/** As many dropped builds as may still be spoken of by messages on their way. */
const MAX_PASSED = 100;
/** Builds of one slave whose files may be on their way; it gets no new one beyond that. */
const MAX_DELIVERING = 4;

export const slaveSession = defineActor<SlaveSessionMessages, SessionContext, State>({
  name: "the session of one build slave",
  mailbox: { bound: 1_000 },
  // Waits for a database that is away; the slave goes on building meanwhile.
  handlerTimeoutMs: 0,
  init: (_ctx, context) => ({
    ...context,
    phase: "greeting",
    label: context.peer.identity,
    slaveId: 0,
    targetIds: [],
    running: undefined,
    finished: new Set(),
    delivering: new Set(),
    passed: new Set(),
    asleep: null,
    killed: "no",
    hasGone: false,
    told: "",
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
          if (state.passed.has(message.body.token)) drop(state, message.body.token);
          else renew(state, message.body.token, ctx);
          tellPresence(state);
          return;
        case "BUILT":
          if (state.passed.has(message.body.token)) drop(state, message.body.token);
          else receive(state, message.body, ctx);
          tellPresence(state);
          return;
        case "SENT":
          return;
        case "BYE":
          await leave(state, message.body, ctx);
          return;
      }
    },
    GONE(state, { end }, ctx) {
      ctx.log.info({ slave: state.label, end }, "slave is gone");
      if (state.phase !== "greeting") tellStatus(state, "gone");
      state.hasGone = true;
      if (state.killed !== "yes") ctx.exit();
    },
    RENEWED(state, { token, isHeld }, ctx) {
      // A build that has ended meanwhile is delivered whatever became of its lease.
      if (state.finished.has(token) || state.passed.has(token)) return;
      if (isHeld) {
        send(state, { type: "CONT", body: {} });
        return;
      }
      drop(state, token);
      tellPresence(state);
      // Cancelled, it may still be there; it is not to be waited for until it expires.
      ctx.run(() => release(state, ctx, token));
    },
    DELIVERED(state, { token, isOurs }) {
      state.delivering.delete(token);
      state.finished.delete(token);
      if (state.running === token) state.running = undefined;
      if (state.delivering.size === 0 && state.phase === "delivering") state.phase = "idle";
      send(state, { type: "DONE", body: { token } });
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
  const dropped = new Set(welcome.drop);
  state.running = hello.running.find((token) => !dropped.has(token));
  for (const token of hello.finished) if (!dropped.has(token)) state.finished.add(token);
  state.phase = state.running === undefined ? "idle" : "building";
  if (welcome.isNewTarget) state.architect.tell("TARGETS_CHANGED");
  send(state, {
    type: "ACK",
    body: {
      slaveId: welcome.slaveId,
      upstreamIndex: state.upstreamIndex,
      farmIndex: state.farmIndex ?? (await builtInIndex(state)),
      busyIntervalMs: state.busyIntervalMs,
      idleIntervalMs: state.idleIntervalMs,
    },
  });
  for (const token of dropped) drop(state, token);
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
  tellStatus(state, "here");
}

/** Null while the server is not up: the slave builds with the upstream index alone. */
async function builtInIndex(state: State): Promise<string | null> {
  try {
    const { url } = await state.http.ask("ADDRESS");
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
  tellPresence(state);
  send(state, { type: "BUILD", body: order });
  ctx.log.info(
    { slave: state.label, package: order.package, version: order.version, build: order.token },
    "build leased",
  );
  state.status.tell("EVENT", {
    kind: "build-started",
    package: order.package,
    version: order.version,
    target: order.target,
    slave: state.label,
  });
}

function renew(state: State, token: Token, ctx: Context): void {
  state.running = token;
  state.phase = "building";
  ctx.run(async (signal) => {
    const isHeld = await whetherHeld(state, token, signal);
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
  if (state.running === token) state.running = undefined;
  state.finished.add(token);
  state.phase = "delivering";
  // What is over the limit is said again by the slave, and taken then.
  if (state.delivering.has(token) || state.delivering.size >= MAX_DELIVERING) return;
  state.delivering.add(token);
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
async function release(state: State, ctx: Context, token: Token, isPassed = false): Promise<void> {
  const args = { slaveId: state.slaveId, tokens: [token], isPassed, retry: state.retry };
  try {
    await askUntilDone(ctx, state.database, "releaseLeases", args);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ctx.log.warn({ err: error, build: token }, "a lease could not be released; it expires");
  }
}

async function leave(state: State, bye: Body<"BYE">, ctx: Context): Promise<void> {
  const { running } = state;
  if (running !== undefined && !bye.finished.includes(running)) await release(state, ctx, running);
  ctx.log.info({ slave: state.label }, "slave says BYE");
  tellStatus(state, "gone");
  ctx.exit();
}

/** The slave was told to drop it: others may have it as soon as the database knows. */
function pass(state: State, token: Token, ctx: Context): void {
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
  ctx.run(() => release(state, ctx, token, true));
}

/** The session stays until the slave has closed it: the end of its connection says that it has heard DIE. */
function die(state: State, ctx: Context): void {
  if (state.killed !== "no") return;
  const { running } = state;
  ctx.log.warn({ slave: state.label, build: running }, "a person has killed this slave");
  state.killed = running === undefined ? "released" : "yes";
  if (running === undefined) return;
  ctx.run(async () => {
    await release(state, ctx, running);
    ctx.self.tell("RELEASED");
  });
}

function refuse(state: State, ctx: Context, reason: string): void {
  ctx.log.warn({ slave: state.label, reason }, "a message out of order");
  send(state, { type: "DIE", body: { reason, final: false, now: false } });
  ctx.exit();
}

/** The slave is to forget the token: it is settled, cancelled, or somebody else's. */
function drop(state: State, token: Token): void {
  if (state.running === token) {
    state.running = undefined;
    state.phase = "idle";
  }
  state.finished.delete(token);
  send(state, { type: "DONE", body: { token } });
}

/** Where it has changed; the Slave Driver goes by it when a person asks, or wants something of the slave. */
function tellPresence(state: State): void {
  const { phase, slaveId, running = null } = state;
  if (phase === "greeting") return;
  const told = `${phase} ${running}`;
  if (told === state.told) return;
  state.told = told;
  const presence = { slaveId, phase, running };
  state.slaveDriver.tell("PRESENCE", { peerId: state.peer.id, presence });
}

function tellStatus(state: State, what: "here" | "gone"): void {
  state.status.tell("EVENT", { kind: "slave", label: state.label, state: what });
}

function tellHost({ bigBrother, slaveId, label }: State, stats: HostStats): void {
  bigBrother.tell("HOST", { slaveId, label, stats });
}

function send(state: State, message: MessageOf<ToSlave>): void {
  state.link.tell("SEND", { peer: state.peer, message });
}
