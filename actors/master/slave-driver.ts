/**
 * The Slave Driver: one session per connected build slave. It starts a session when a slave says HELLO,
 * hands each message to its session, and wakes sleeping ones when there is work. It keeps no truth of
 * its own: after a crash it finds the sessions by their peers.
 */

import type { FromSlave, ToSlave } from "../../protocol/links/slave.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { LogPart } from "../../protocol/model/build-log.ts";
import {
  type ActorContext,
  type ActorRef,
  child,
  defineActor,
  describeExit,
  isOrderly,
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

export interface SlaveDriverMessages extends ToSlaveDriver, PeerMessages<FromSlave> {
  /** A session has told its slave to sleep until there is work. */
  SLEEPING(body: { readonly peerId: string; readonly targetIds: readonly number[] }): void;
  AWAKE(body: { readonly peerId: string }): void;
  /** A session has recorded what its slave said in HELLO. */
  GREETED(body: { readonly peerId: string }): void;
  SESSION_ENDED(ended: Terminated): void;
  /** A peer of a while ago: it should have a session by now. */
  CHECK(peer: Peer): void;
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
  readonly sleeping: Map<string, readonly number[]>;
  readonly greeted: Set<string>;
  /** Identities whose sessions crashed, and until when they are refused (monotonic ms). */
  readonly penalties: Map<string, { crashes: number; untilMs: number }>;
  isPaused: boolean;
}

type Context = ActorContext<SlaveDriverMessages>;

const MAX_PENALTY_MS = 60_000;
const FORGIVEN_AFTER_MS = 600_000;
/** A peer that has not said HELLO by then, or whose session is gone, is asked to come again. */
const CHECK_AFTER_MS = 10_000;

const sessionId = (peerId: string) => `s${peerId.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;

export const slaveDriver = defineActor<SlaveDriverMessages, SlaveDriverArgs, State>({
  name: "holds one session per build slave",
  pause: "drain",
  mailbox: { bound: 100_000 },
  async init(_ctx, args) {
    await args.link.ask("ATTACH");
    return {
      args,
      peers: new Map(),
      sleeping: new Map(),
      greeted: new Set(),
      penalties: new Map(),
      isPaused: false,
    };
  },
  pauseChanged(state, paused) {
    state.isPaused = paused;
    if (!paused) for (const peerId of [...state.sleeping.keys()]) wake(state, peerId);
  },
  handle: {
    PEER_OPENED(state, peer, ctx) {
      state.peers.set(peer.id, peer);
      ctx.after(CHECK_AFTER_MS, "CHECK", peer);
    },
    CHECK(state, peer, ctx) {
      // Of a session that is gone nobody would hear: the watch tells at once, with `noproc`.
      if (state.peers.has(peer.id)) ctx.watch(sessionOf(state, ctx, peer), "SESSION_ENDED");
    },
    async PEER_MESSAGE(state, { peer, message, reply }, ctx) {
      state.peers.set(peer.id, peer);
      if (message.type === "PROBE") {
        const { productVersion: version, upstreamIndex } = state.args.session;
        ctx.run(async () => {
          reply?.({
            value: { version, upstreamIndex, farmIndex: await findFarmIndex(state.args.session) },
          });
        });
        return;
      }
      // While paused nothing new is started: whoever is idle sleeps, and is woken on RESUME.
      if (state.isPaused && message.type === "IDLE") {
        state.args.link.tell("SEND", { peer, message: { type: "SLEEP", body: {} } });
        state.sleeping.set(peer.id, []);
        return;
      }
      if (message.type !== "HELLO") {
        if (sessionOf(state, ctx, peer).tell("FROM_SLAVE", message) === "queued") {
          // A slave that speaks so has been greeted, maybe before this driver was started.
          state.greeted.add(peer.id);
          return;
        }
        // It has no session here, e.g. since that crashed: a new HELLO tells what it holds.
        state.args.link.tell("DROP", { peer, reason: "the session is gone: say HELLO again" });
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
      state.greeted.delete(peer.id);
      sessionOf(state, ctx, peer).tell("GONE", { end });
    },
    WAKE(state, { work }) {
      if (state.isPaused) return;
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
    GREETED(state, { peerId }) {
      if (state.peers.has(peerId)) state.greeted.add(peerId);
    },
    COUNT: (state) => state.greeted.size,
    READ_LOG(state, { identity, slot, ...question }, ctx) {
      const peer = [...state.peers.values()].find(
        (each) => each.identity === identity && each.slot === slot && state.greeted.has(each.id),
      );
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

/** As many as there is work, the one that has slept longest first; the others ask again by themselves. */
function wakeSome(state: State, targetId: number, count: number): void {
  let left = count;
  for (const [peerId, served] of [...state.sleeping]) {
    if (left <= 0) return;
    if (served.length > 0 && !served.includes(targetId)) continue;
    wake(state, peerId);
    left -= 1;
  }
}

function wake(state: State, peerId: string): void {
  const peer = state.peers.get(peerId);
  state.sleeping.delete(peerId);
  if (peer !== undefined)
    state.args.link.tell("SEND", { peer, message: { type: "CONT", body: {} } });
}

const sessionOf = (state: State, ctx: Context, peer: Peer): ActorRef<SlaveSessionMessages> =>
  ctx.ref<SlaveSessionMessages>(`${state.args.sessionsPath}/${sessionId(peer.id)}`);
