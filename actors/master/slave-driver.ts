/**
 * The Slave Driver: one session per connected build slave. It starts a session when a slave says HELLO,
 * hands each message to its session, wakes sleeping ones when there is work, and tells them what a person
 * wants of them. It keeps no truth of its own: after a crash it finds the sessions by their peers.
 */

import type { RequestResult } from "../../db/requests.ts";
import type { FromSlave, ToSlave } from "../../protocol/links/slave.ts";
import type { Presence, ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { LogPart } from "../../protocol/model/build-log.ts";
import { MOST_SLAVES_LISTED } from "../../protocol/model/sleeper.ts";
import { PASSED_FOR_MS, type Steering, slaveMatcher } from "../../protocol/model/steering.ts";
import {
  type ActorContext,
  type ActorRef,
  child,
  defineActor,
  describeExit,
  isOrderly,
  type MessageOf,
  type Peer,
  Refusal,
  SupervisionError,
  type Terminated,
} from "../../supervisor/index.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import {
  findFarmIndex,
  type SessionContext,
  type SlaveSessionMessages,
  slaveSession,
} from "./slave-session.ts";
import { type SlaveWord, Whereabouts } from "./whereabouts.ts";

export interface SlaveDriverMessages extends ToSlaveDriver, PeerMessages<FromSlave> {
  /** A session has told its slave to sleep until there is work. */
  SLEEPING(body: { readonly peerId: string; readonly targetIds: readonly number[] }): void;
  AWAKE(body: { readonly peerId: string }): void;
  /** How many builds of a slave are being taken. */
  DELIVERING(body: { readonly peerId: string; readonly count: number }): void;
  /** What a slave does now, from HELLO on. */
  PRESENCE(body: { readonly peerId: string; readonly word: SlaveWord }): void;
  /** Time to ask the database who is asleep. */
  LOOK(): void;
  SLEEPERS(body: { readonly asleep: RequestResult<"asleepSlaves">; readonly orders: number }): void;
  /** The master may have stopped to stop. */
  GO_ON(): void;
  SESSION_ENDED(ended: Terminated): void;
  /** A peer of a while ago: it should have a session by now. */
  CHECK(peer: Peer): void;
  /** A peer that was told to die should have gone by now. */
  END(peer: Peer): void;
}

export interface SlaveDriverArgs {
  readonly link: ActorRef<EndpointMessages<ToSlave>>;
  /** Path of the dynamic supervisor of the sessions. */
  readonly sessionsPath: string;
  readonly session: Omit<SessionContext, "peer">;
}

interface State {
  readonly args: SlaveDriverArgs;
  readonly peers: Map<string, Peer>;
  /** Peers whose PROBE is not answered yet. */
  readonly probing: Set<string>;
  readonly sleeping: Map<string, readonly number[]>;
  readonly presences: Map<string, Presence>;
  readonly whereabouts: Whereabouts;
  /** Slaves that were told to die, and until when they are told again (monotonic ms): they may not have heard it. */
  readonly killed: Map<string, { readonly reason: string; readonly untilMs: number }>;
  /** Processes that dropped a build by a person's word, and until when they may not have it (monotonic ms). */
  readonly skipped: Map<string, number>;
  /** Identities whose sessions crashed, and until when they are refused (monotonic ms). */
  readonly penalties: Map<string, { crashes: number; untilMs: number }>;
  /** Builds that are being taken, by peer; none where there are none. */
  readonly delivering: Map<string, number>;
  isPaused: boolean;
  /**
   * The master is about to stop: nothing is given out or taken before this (monotonic ms). It is said again until it has stopped; one
   * who said it may have ended alone.
   */
  endsUntil: number;
  /** Who said BUILT meanwhile, and says it to its next session. */
  readonly unheard: Map<string, Peer>;
}

type Context = ActorContext<SlaveDriverMessages>;

const isEnding = ({ endsUntil }: State): boolean => performance.now() < endsUntil;
/** For so long the word counts that the master ends. */
const ENDING_MS = 5_000;
const MAX_PENALTY_MS = 60_000;
const FORGIVEN_AFTER_MS = 600_000;
/** A peer that has not said HELLO by then, or whose session is gone, is asked to come again. */
const CHECK_AFTER_MS = 10_000;

/** A killed slave that comes back within this did not hear of it. */
const KILLED_FOR_MS = 600_000;
/** The farm itself puts slaves to sleep, and the database decides that. */
const LOOK_MS = 5_000;
/** A slave closes its connection when it hears DIE. */
const DIE_WITHIN_MS = 5_000;

/** The jobs of a process have slots of their own, `FOLDER#2` and so on. */
const processOf = ({ identity, slot }: Peer): string =>
  `${identity} ${slot.replace(/#[0-9]+$/, "")}`;
const slotOf = ({ identity, slot }: Peer): string => `${identity} ${slot}`;
const sessionId = (peerId: string) => `s${peerId.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;

export const slaveDriver = defineActor<SlaveDriverMessages, SlaveDriverArgs, State>({
  name: "holds one session per build slave",
  pause: "drain",
  mailbox: { bound: 100_000 },
  async init(ctx, args) {
    await args.link.ask("ATTACH");
    ctx.every(LOOK_MS, "LOOK");
    return {
      args,
      peers: new Map(),
      probing: new Set(),
      sleeping: new Map(),
      presences: new Map(),
      whereabouts: new Whereabouts((event) => args.session.status.tell("EVENT", event)),
      killed: new Map(),
      skipped: new Map(),
      penalties: new Map(),
      delivering: new Map(),
      isPaused: false,
      endsUntil: Number.NEGATIVE_INFINITY,
      unheard: new Map(),
    };
  },
  pauseChanged(state, paused) {
    state.isPaused = paused;
    if (!paused && !isEnding(state))
      for (const peerId of [...state.sleeping.keys()]) wake(state, peerId);
  },
  handle: {
    PEER_OPENED(state, peer, ctx) {
      state.peers.set(peer.id, peer);
      ctx.after(CHECK_AFTER_MS, "CHECK", peer);
    },
    CHECK(state, peer, ctx) {
      if (!state.peers.has(peer.id)) return;
      const session = sessionOf(state, ctx, peer);
      // Of a session that is gone nobody would hear: the watch tells at once, with `noproc`.
      ctx.watch(session, "SESSION_ENDED");
      if (!state.presences.has(peer.id)) session.tell("INTRODUCE");
    },
    async PEER_MESSAGE(state, { peer, message, reply }, ctx) {
      state.peers.set(peer.id, peer);
      if (message.type === "PROBE") {
        if (reply !== undefined) answerProbe(state, ctx, peer, reply);
        return;
      }
      // It is kept in the slave's outbox, and said again to the next master.
      if (isEnding(state) && message.type === "BUILT") {
        state.unheard.set(peer.id, peer);
        return;
      }
      // While paused nothing new is started: whoever is idle sleeps, and is woken on RESUME.
      if ((state.isPaused || isEnding(state)) && message.type === "IDLE") {
        send(state, peer, { type: "SLEEP", body: { reason: null } });
        state.sleeping.set(peer.id, []);
        return;
      }
      if (message.type !== "HELLO") {
        const session = sessionOf(state, ctx, peer);
        if (session.tell("FROM_SLAVE", message) === "queued") {
          // A slave that speaks so has been greeted, maybe before this driver was started.
          if (!state.presences.has(peer.id)) session.tell("INTRODUCE");
          return;
        }
        // It has no session here, e.g. since that crashed: a new HELLO tells what it holds.
        state.args.link.tell("DROP", { peer, reason: "the session is gone: say HELLO again" });
        return;
      }
      const killed = state.killed.get(slotOf(peer));
      if (killed !== undefined && killed.untilMs > performance.now()) {
        ctx.log.warn(
          { slave: peer.identity },
          "a killed slave is here again: it is told once more",
        );
        kill(state, ctx, peer, killed.reason);
        return;
      }
      const penalty = state.penalties.get(peer.identity);
      if (penalty !== undefined && penalty.untilMs > performance.now()) {
        const reason = "its last sessions crashed here: come back in a minute";
        state.args.link.tell("DROP", { peer, reason });
        return;
      }
      try {
        const started = await ctx.startChild<SlaveSessionMessages>(
          state.args.sessionsPath,
          child(
            sessionId(peer.id),
            slaveSession,
            { ...state.args.session, peer },
            {
              restart: "temporary",
            },
          ),
        );
        ctx.watch(started, "SESSION_ENDED");
        started.tell("FROM_SLAVE", message);
      } catch (error) {
        // HELLO twice: its session says what is wrong with that.
        if (error instanceof SupervisionError && error.code === "already_started") {
          sessionOf(state, ctx, peer).tell("FROM_SLAVE", message);
          return;
        }
        ctx.log.warn({ err: error, slave: peer.identity }, "no session could be started");
        state.args.link.tell("DROP", { peer, reason: "no session could be started: try again" });
      }
    },
    PEER_CLOSED(state, { peer, end }, ctx) {
      state.peers.delete(peer.id);
      state.sleeping.delete(peer.id);
      state.presences.delete(peer.id);
      state.delivering.delete(peer.id);
      state.unheard.delete(peer.id);
      state.whereabouts.lost(peer.id, end);
      // It has closed the connection itself, as one does that hears DIE.
      if (end === "left") state.killed.delete(slotOf(peer));
      const session = sessionOf(state, ctx, peer);
      if (session.tell("GONE", { end }) === "rejected") stopFull(ctx, session, peer);
    },
    WAKE(state, { work }) {
      if (state.isPaused || isEnding(state)) return;
      if (work.length === 0) for (const peerId of [...state.sleeping.keys()]) wake(state, peerId);
      for (const { targetId, count } of work) wakeSome(state, targetId, count);
    },
    SLEEPING(state, { peerId, targetIds }) {
      if (state.peers.has(peerId)) state.sleeping.set(peerId, targetIds);
    },
    AWAKE(state, { peerId }) {
      state.sleeping.delete(peerId);
    },
    SESSION_ENDED(state, { path, reason }, ctx) {
      const peer = [...state.peers.values()].find(
        ({ id }) => path === `${state.args.sessionsPath}/${sessionId(id)}`,
      );
      if (peer === undefined) return;
      if (isOrderly(reason) || reason.kind === "noproc") {
        // It went with its branch, or before this driver came; its slave may wait for an answer.
        state.args.link.tell("DROP", { peer, reason: "the session is gone: say HELLO again" });
        return;
      }
      const now = performance.now();
      const known = state.penalties.get(peer.identity);
      const isForgiven = known === undefined || now - known.untilMs > FORGIVEN_AFTER_MS;
      const penalty = isForgiven ? { crashes: 0, untilMs: now } : known;
      penalty.crashes += 1;
      // The first crash is nobody's fault yet; from the second on its key has to wait.
      if (penalty.crashes > 1)
        penalty.untilMs =
          performance.now() + Math.min(MAX_PENALTY_MS, 1_000 * 2 ** Math.min(penalty.crashes, 10));
      state.penalties.set(peer.identity, penalty);
      ctx.log.warn(
        { slave: peer.identity, crashes: penalty.crashes },
        `a slave's session ended: ${describeExit(reason)}`,
      );
      state.args.link.tell("DROP", { peer, reason: "the session has crashed: say HELLO again" });
    },
    PRESENCE(state, { peerId, word }) {
      if (!state.peers.has(peerId)) return;
      state.presences.set(peerId, word.presence);
      state.whereabouts.says(peerId, word);
    },
    LOOK(state, _body, ctx) {
      const { orders } = state.whereabouts;
      ctx.run(async (signal) => {
        const options = { timeoutMs: LOOK_MS, signal };
        try {
          const asleep = await state.args.session.database.ask("asleepSlaves", null, options);
          ctx.self.tell("SLEEPERS", { asleep, orders });
        } catch {
          // It is away: they sleep on as they did.
        }
      });
    },
    SLEEPERS(state, { asleep, orders }) {
      state.whereabouts.sleepers(new Map(asleep.map(({ id, ...how }) => [id, how])), orders);
    },
    DELIVERING(state, { peerId, count }) {
      if (count > 0 && state.peers.has(peerId)) state.delivering.set(peerId, count);
      else state.delivering.delete(peerId);
    },
    DRAIN(state, _body, ctx) {
      if (!isEnding(state)) ctx.after(ENDING_MS, "GO_ON");
      state.endsUntil = performance.now() + ENDING_MS;
      return [...state.delivering.values()].reduce((sum, count) => sum + count, 0);
    },
    GO_ON(state, _body, ctx) {
      const leftMs = state.endsUntil - performance.now();
      if (leftMs > 0) {
        ctx.after(leftMs, "GO_ON");
        return;
      }
      ctx.log.warn("the master was about to stop, and has not: builds are given out again");
      const reason = "what was finished meanwhile was not taken: say HELLO again";
      for (const peer of state.unheard.values()) state.args.link.tell("DROP", { peer, reason });
      state.unheard.clear();
      if (!state.isPaused) for (const peerId of [...state.sleeping.keys()]) wake(state, peerId);
    },
    COUNT: (state) => state.presences.size,
    WHEREABOUTS: (state) => state.whereabouts.snapshot(),
    KILL(state, { slaves, reason }, ctx) {
      const isMeant = slaveMatcher(slaves);
      const processes = new Set<string>();
      for (const [peerId, presence] of state.presences) {
        const peer = state.peers.get(peerId);
        if (peer !== undefined && isMeant(presence)) processes.add(processOf(peer));
      }
      const told: Presence[] = [];
      for (const [peerId, presence] of state.presences) {
        const peer = state.peers.get(peerId);
        if (peer === undefined || !processes.has(processOf(peer))) continue;
        told.push(presence);
        steer(state, ctx, peer, presence, "kill", reason);
      }
      return told.slice(0, MOST_SLAVES_LISTED);
    },
    STEER(state, { slaveIds, action, reason }, ctx) {
      const meant = new Set(slaveIds);
      const told: Presence[] = [];
      for (const [peerId, presence] of state.presences) {
        const peer = state.peers.get(peerId);
        if (peer === undefined || !meant.has(presence.slaveId)) continue;
        told.push(presence);
        steer(state, ctx, peer, presence, action, reason);
      }
      return told.slice(0, MOST_SLAVES_LISTED);
    },
    END(state, peer) {
      if (state.peers.has(peer.id) && state.killed.has(slotOf(peer)))
        state.args.link.tell("DROP", { peer, reason: "it was killed by a person" });
    },
    READ_LOG(state, { identity, slot, ...question }, ctx) {
      const present = [...state.peers.values()].filter(
        (each) => each.identity === identity && state.presences.has(each.id),
      );
      // A slave that was started again with fewer jobs has no such slot; its others have the logs of all.
      const peer =
        present.find((each) => each.slot === slot) ??
        present.find((each) => processOf(each) === processOf({ ...each, slot }));
      if (peer === undefined) throw new Refusal("the slave is not connected", { code: "absent" });
      const reply = ctx.defer<LogPart | null>();
      ctx.run(async (signal) => {
        const timeoutMs = question.waitMs + LOG_ANSWER_MS;
        try {
          reply.resolve(
            await sessionOf(state, ctx, peer).ask("READ_LOG", question, { timeoutMs, signal }),
          );
        } catch (error) {
          // Its session has ended, or is held up by the database.
          reply.reject(
            error instanceof Refusal
              ? error
              : new Refusal("the slave does not answer", { code: "absent" }),
          );
        }
      });
      return reply;
    },
  },
});

/** How much longer than the slave may wait its session may take for an answer. */
const LOG_ANSWER_MS = 2_500;

/** One at a time for each peer: the answer may take a question to the built-in server. */
function answerProbe(
  state: State,
  ctx: Context,
  { id }: Peer,
  reply: (outcome: { value: unknown } | { error: string }) => void,
): void {
  if (state.probing.has(id)) {
    reply({ error: "one question at a time" });
    return;
  }
  state.probing.add(id);
  const { productVersion: version, upstreamIndex } = state.args.session;
  ctx.run(async () => {
    const farmIndex = await findFarmIndex(state.args.session);
    state.probing.delete(id);
    reply({ value: { version, upstreamIndex, farmIndex } });
  });
}

/** Tells the slave first: its session may wait for a database that is away. */
function steer(
  state: State,
  ctx: Context,
  peer: Peer,
  { slaveId, running }: Presence,
  action: Steering,
  reason: string,
): void {
  const session = sessionOf(state, ctx, peer);
  switch (action) {
    case "kill":
      kill(state, ctx, peer, reason);
      session.tell("STEERED", { action });
      return;
    case "sleep":
      // To wake it before a person does would be a waking lost.
      state.sleeping.delete(peer.id);
      send(state, peer, { type: "SLEEP", body: { reason } });
      state.whereabouts.steered(slaveId, { by: "person", why: reason });
      session.tell("STEERED", { action, reason });
      return;
    case "wake":
      state.whereabouts.steered(slaveId, null);
      session.tell("STEERED", { action });
      wake(state, peer.id);
      return;
    case "skip":
      if (running === null) return;
      noteSkip(state, peer);
      send(state, peer, { type: "DONE", body: { token: running, ifRunning: true } });
      session.tell("STEERED", { action, token: running });
      return;
  }
}

/** It would never hear that its slave is gone, and lease builds for nobody. */
function stopFull(ctx: Context, session: ActorRef<SlaveSessionMessages>, peer: Peer): void {
  ctx.log.warn({ slave: peer.identity }, "a session that was told too much is stopped");
  ctx.run(async () => {
    try {
      await ctx.stopChild(session.path);
    } catch (error) {
      // It has ended by itself meanwhile.
      if (!(error instanceof SupervisionError)) throw error;
    }
  });
}

function kill(state: State, ctx: Context, peer: Peer, reason: string): void {
  const now = performance.now();
  for (const [slot, { untilMs }] of state.killed) if (untilMs < now) state.killed.delete(slot);
  state.killed.set(slotOf(peer), { reason, untilMs: now + KILLED_FOR_MS });
  send(state, peer, { type: "DIE", body: { reason, final: true, now: true } });
  ctx.after(DIE_WITHIN_MS, "END", peer);
}

/**
 * As many as there is work, the one that has slept longest first; the others ask again by themselves. One whose process
 * has dropped a build may be refused just that, so another is woken beside it.
 */
function wakeSome(state: State, targetId: number, count: number): void {
  let left = count;
  for (const [peerId, served] of [...state.sleeping]) {
    if (left <= 0) return;
    if (served.length > 0 && !served.includes(targetId)) continue;
    const peer = state.peers.get(peerId);
    wake(state, peerId);
    const isRefused = peer !== undefined && hasSkipped(state, peer);
    if (!isRefused) left -= 1;
  }
}

function noteSkip(state: State, peer: Peer): void {
  const now = performance.now();
  for (const [process, untilMs] of state.skipped) if (untilMs < now) state.skipped.delete(process);
  state.skipped.set(processOf(peer), now + PASSED_FOR_MS);
}

const hasSkipped = ({ skipped }: State, peer: Peer): boolean =>
  (skipped.get(processOf(peer)) ?? Number.NEGATIVE_INFINITY) > performance.now();

function wake(state: State, peerId: string): void {
  const peer = state.peers.get(peerId);
  state.sleeping.delete(peerId);
  if (peer !== undefined) send(state, peer, { type: "CONT", body: {} });
}

function send(state: State, peer: Peer, message: MessageOf<ToSlave>): void {
  state.args.link.tell("SEND", { peer, message });
}

const sessionOf = (state: State, ctx: Context, peer: Peer): ActorRef<SlaveSessionMessages> =>
  ctx.ref<SlaveSessionMessages>(`${state.args.sessionsPath}/${sessionId(peer.id)}`);
