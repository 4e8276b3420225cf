/**
 * The bound side of a link: who has a session, what they say, when they end. Given frames by the socket's
 * reader and a writer for answers; calls the owner's handlers. Opens no sockets itself (`bind-endpoint.ts` does).
 */
import type {
  BodyOf,
  Checked,
  Link,
  LinkMessages,
  MessageOf,
  Peer,
  PeerEnd,
  SendResult,
  ServerHandlers,
} from "../../supervisor/index.ts";
import { MalformedFrameError } from "./codec.ts";
import {
  decodeFrame,
  decodeMessages,
  type Frame,
  type FrameKind,
  FrameReference,
  type Packet,
  type WireMessage,
} from "./frame.ts";
import type { FrameWriter, Lane } from "./frame-writer.ts";
import type { Framing } from "./framing.ts";
import { type Doorkeeper, type End, judgeHello, ownEpoch } from "./hello.ts";
import { Inflow } from "./inflow.ts";
import { Liveness, SILENT_AFTER_BEATS } from "./liveness.ts";
import { RecentRoutes } from "./recent-routes.ts";
import { SerialCalls } from "./serial-calls.ts";
import { openLane, type SessionLane } from "./session-lane.ts";
import type { Tally } from "./tally.ts";

/** How long an ended session may still take what was queued for it. */
const LAST_WORDS_MS = 2_000;
/** A stranger that speaks on is asked again after this. */
const ASK_AGAIN_MS = 100;
/** How long a session that was shown the door hears why; its client opens a new one. */
const REMEMBER_END_MS = 600_000;
/** No network holds a frame for as long; a person may keep one. */
const REMEMBER_PAST_MS = 86_400_000;
/** One key cannot fill the table with slots. */
const MOST_SLOTS = 256;

/** Of the process: no two endpoints give out the same id. */
let peerCounter = 0;

interface Session {
  readonly id: string;
  readonly routingId: Buffer;
  /** The routing id as a key of maps. */
  readonly route: string;
  readonly peer: Peer;
  readonly lane: SessionLane;
  readonly liveness: Liveness;
  readonly inflow: Inflow;
  hasEnded: boolean;
}

export interface ServerSideOptions<ToServer extends LinkMessages> {
  readonly door: Doorkeeper;
  readonly handlers: ServerHandlers<ToServer>;
  readonly tally: Tally;
  readonly heartbeatMs: number;
  readonly outboxBound: number;
  readonly largestMessageBytes: number;
  /** Messages of one peer that the owner may have untaken. */
  readonly window: number;
  readonly framing: Framing;
  /** Resolves when nothing unread waits, or when `most` more frames were taken. */
  drained(most: number): Promise<void>;
}

export class ServerSide<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly #link: Link<ToServer, ToClient>;
  readonly #options: ServerSideOptions<ToServer>;
  readonly #writer: FrameWriter;
  readonly #calls: SerialCalls;
  /** The sessions of a connection, by their ids: more than one where a client has several slots on it. */
  readonly #byRoute = new Map<string, Map<string, Session>>();
  readonly #byPeer = new Map<string, Session>();
  /** Whose session an id is now. */
  readonly #identities = new Map<string, string>();
  readonly #bySlot = new Map<string, Map<string, Session>>();
  readonly #asked = new RecentRoutes<true>(ASK_AGAIN_MS);
  readonly #ended = new RecentRoutes<End>(REMEMBER_END_MS);
  /** Ids of sessions that are over: a HELLO that was late or repeated on its way opens none of them again. */
  readonly #past = new RecentRoutes<true>(REMEMBER_PAST_MS);
  #isJudging = false;

  constructor(
    link: Link<ToServer, ToClient>,
    options: ServerSideOptions<ToServer>,
    writer: FrameWriter,
  ) {
    this.#link = link;
    this.#options = options;
    this.#writer = writer;
    this.#calls = new SerialCalls((error) => {
      options.tally.count("handler threw", { error });
    });
  }

  /** Takes what the bound socket received. Never throws: nothing that a peer sends can hurt the reader. */
  receive(parts: readonly Packet[]): void {
    const [routingId, packet] = parts;
    if (!Buffer.isBuffer(routingId)) return;
    const route = routingId.toString("latin1");
    try {
      if (packet === undefined || parts.length !== 2) {
        throw new MalformedFrameError(`${parts.length - 1} parts`);
      }
      const frame = decodeFrame(packet);
      const session = this.#byRoute.get(route)?.get(frame.session);
      session?.liveness.heard();
      if (frame.kind === "DATA" && session !== undefined) {
        const isTrusted = packet instanceof FrameReference;
        const messages = isTrusted ? packet.messages : decodeMessages(frame.payload);
        this.#takeData(frame, messages, isTrusted, session);
      } else this.#take(frame, routingId, session);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const sessions = this.#sessionsOf(route);
      this.#options.tally.count("malformed frame", { peer: sessions[0]?.peer, reason });
      // Whose it was cannot be told; who speaks so on a connection loses what it has there.
      for (const session of sessions) this.#drop(session, `malformed frame: ${reason}`);
    }
  }

  send<K extends keyof ToClient & string>(
    peer: Peer,
    type: K,
    body: BodyOf<ToClient, K>,
  ): SendResult {
    const session = this.#byPeer.get(peer.id);
    if (session === undefined) return "gone";
    return this.#queue(session, { kind: "tell", type, body }) ? "sent" : "full";
  }

  drop(peer: Peer, reason: string): void {
    const session = this.#byPeer.get(peer.id);
    if (session !== undefined) this.#drop(session, reason);
  }

  /** The writer found no connection behind a lane. What the peer said before it went is still heard. */
  unreachable(lane: Lane): void {
    const sessions = this.#sessionsOf(lane.routingId?.toString("latin1") ?? "");
    if (!sessions.some((session) => session.lane === lane)) return;
    for (const session of sessions) session.liveness.lost();
  }

  #sessionsOf(route: string): Session[] {
    return [...(this.#byRoute.get(route)?.values() ?? [])];
  }

  /** To be called several times within a heartbeat's interval, with the time that counts. */
  tick(passedMs: number): void {
    let isAnySilent = false;
    for (const session of [...this.#byPeer.values()]) {
      if (this.#hasLostItsKey(session)) continue;
      session.liveness.pass(passedMs);
      if (session.liveness.isSilent()) isAnySilent = true;
      else if (session.liveness.takeBeat()) this.#beat(session);
    }
    if (isAnySilent && !this.#isJudging) {
      this.#isJudging = true;
      void this.#judge();
    }
  }

  /** A key that is revoked ends its sessions, wherever in the heartbeat they are. */
  #hasLostItsKey(session: Session): boolean {
    const { door, tally } = this.#options;
    if (door.keys?.mayStay(session.peer.identity) !== false) return false;
    tally.count("key not authorised", { peer: session.peer });
    this.#drop(session, "the key is no longer authorised", "revoked");
    return true;
  }

  #beat(session: Session): void {
    session.lane.beat();
    this.#writer.wake(session.lane);
  }

  async #judge(): Promise<void> {
    // ROUTER takes turns among its connections: after this many frames that of each session was taken.
    let most = 1;
    for (const sessions of this.#byRoute.values()) most = Math.max(most, sessions.size);
    await this.#options.drained(2 * most * this.#byRoute.size + 64);
    this.#isJudging = false;
    for (const session of [...this.#byPeer.values()]) {
      if (!session.liveness.isSilent()) continue;
      this.#post("END", session.routingId, session.id, {
        end: "silent",
        reason: "nothing was heard",
      } satisfies End);
      this.#end(session, "silent");
    }
  }

  /** Tells every peer; the writer is to be flushed after. */
  close(withinMs: number): void {
    for (const session of [...this.#byPeer.values()]) {
      this.#sayEnd(session, { end: "server closed", reason: "the server closes" }, withinMs);
      this.#end(session, "closed");
    }
  }

  #take(frame: Frame, routingId: Buffer, session: Session | undefined): void {
    switch (frame.kind) {
      case "HELLO":
        this.#takeHello(frame, routingId, session);
        return;
      case "BYE":
        if (session !== undefined) this.#end(session, "left");
        return;
      case "DATA":
        this.#answerStranger(frame, routingId);
        return;
      case "WELCOME":
      case "REFUSED":
      case "WHO":
      case "END":
        this.#options.tally.count("unexpected frame", { kind: frame.kind });
    }
  }

  #takeHello(frame: Frame, routingId: Buffer, known: Session | undefined): void {
    const { door, tally } = this.#options;
    const route = routingId.toString("latin1");
    const id = frame.session;
    const judgement = judgeHello(door, frame.payload, id, routingId);
    const end = this.#ended.find(`${route} ${id}`);
    if (!judgement.ok || end !== undefined) {
      const reason = judgement.ok ? (end?.reason ?? "") : judgement.reason;
      tally.count(judgement.ok ? "spoke after its end" : judgement.incident, { reason });
      this.#post("REFUSED", routingId, id, { reason });
      return;
    }
    const { identity, slot } = judgement;
    if (known === undefined) {
      // What was said on another connection is said again: by nobody who means well, or late on its way.
      if (this.#past.find(id) !== undefined || this.#identities.get(id) === identity) {
        tally.count("spoke after its end", { reason: "a HELLO came late, or again" });
        return;
      }
      const slots = this.#bySlot.get(identity) ?? new Map<string, Session>();
      if (slots.size >= MOST_SLOTS && !slots.has(slot)) {
        tally.count("hello refused", { identity, reason: "too many slots" });
        this.#post("REFUSED", routingId, id, { reason: "too many connections of this key" });
        return;
      }
      // Another key on it is another connection, which has the name of one that went.
      for (const other of this.#sessionsOf(route))
        if (other.peer.identity !== identity) this.#end(other, "left");
      const older = slots.get(slot);
      // It begins anew on the same connection.
      if (older?.route === route) this.#end(older, "left");
      else if (older !== undefined) {
        const words: End = {
          end: "replaced",
          reason: "a newer connection of the same key and slot",
        };
        this.#ended.add(`${older.route} ${older.id}`, words);
        this.#sayEnd(older, words, LAST_WORDS_MS);
        this.#end(older, "replaced");
      }
      const session = this.#openSession(id, routingId, route, judgement);
      const onRoute = this.#byRoute.get(route) ?? new Map<string, Session>();
      this.#byRoute.set(route, onRoute.set(id, session));
      this.#byPeer.set(session.peer.id, session);
      this.#identities.set(id, identity);
      this.#bySlot.set(identity, slots.set(slot, session));
      // WELCOME is posted, and what is posted goes before what the owner says in `opened`.
      this.#welcome(session);
      this.#calls.run(() => {
        this.#options.handlers.opened(session.peer);
      });
      return;
    }
    // Said twice: the first WELCOME may have been lost.
    this.#welcome(known);
  }

  #openSession(
    id: string,
    routingId: Buffer,
    route: string,
    who: { readonly identity: string; readonly slot: string; readonly window: number },
  ): Session {
    const { heartbeatMs, outboxBound, largestMessageBytes, framing, window, tally } = this.#options;
    peerCounter += 1;
    const peer: Peer = Object.freeze({
      id: `${ownEpoch}.${peerCounter}`,
      identity: who.identity,
      slot: who.slot,
    });
    // A copy: what was received is a view into a whole message's memory.
    const ownRoutingId = Buffer.from(routingId);
    const inflow = new Inflow(window);
    const lane = openLane(framing, {
      session: id,
      link: this.#link.name,
      bound: outboxBound,
      largestMessageBytes,
      routingId: ownRoutingId,
      credit: () => inflow.takeCredit(),
      lost: (count) => {
        tally.count("message not sent", { peer }, count);
      },
    });
    lane.grant(who.window);
    const liveness = new Liveness(heartbeatMs, SILENT_AFTER_BEATS * heartbeatMs);
    return { id, routingId: ownRoutingId, route, peer, lane, liveness, inflow, hasEnded: false };
  }

  #welcome(session: Session): void {
    const { heartbeatMs, window } = this.#options;
    this.#post("WELCOME", session.routingId, session.id, { epoch: ownEpoch, heartbeatMs, window });
  }

  #takeData(
    frame: Frame,
    messages: readonly WireMessage[],
    isTrusted: boolean,
    session: Session,
  ): void {
    const { tally } = this.#options;
    session.lane.grant(frame.credit);
    const lost = session.inflow.arrive(frame.sequence, messages.length);
    if (lost === undefined) {
      tally.count("repeated frame", { peer: session.peer });
      return;
    }
    if (lost > 0) tally.count("lost message", { peer: session.peer }, lost);
    for (const message of messages) {
      if (session.hasEnded) {
        tally.count("spoke after its end", { peer: session.peer });
        return;
      }
      this.#takeMessage(message, isTrusted, session);
    }
    if (session.lane.sendable > 0) this.#writer.wake(session.lane);
    this.#tellCredit(session);
  }

  #takeMessage(message: WireMessage, isTrusted: boolean, session: Session): void {
    const { tally, handlers } = this.#options;
    if (message.kind === "reply" || message.kind === "error") {
      tally.count("invalid message", { peer: session.peer, reason: "a reply to nothing" });
      return;
    }
    if (!session.inflow.admit()) {
      tally.count("beyond credit", { peer: session.peer });
      this.#drop(session, "sent more messages than it had credit for");
      return;
    }
    const checked: Checked<MessageOf<ToServer>> = isTrusted
      ? { ok: true, value: { type: message.type, body: message.body } as MessageOf<ToServer> }
      : this.#link.checkToServer(message.type, message.body);
    if (!checked.ok) {
      session.inflow.taken();
      tally.count("invalid message", { peer: session.peer, reason: checked.reason });
      if (message.kind === "ask") this.#answer(session, message, { error: checked.reason });
      return;
    }
    const reply = message.kind === "ask" ? this.#makeReply(session, message) : undefined;
    this.#calls.run(() => {
      if (session.hasEnded) return;
      let isTakenLater = false;
      try {
        const taking =
          reply === undefined
            ? handlers.message(session.peer, checked.value)
            : handlers.message(session.peer, checked.value, reply);
        isTakenLater = taking !== undefined;
        if (taking !== undefined) void this.#awaitTaken(taking, session);
      } finally {
        if (!isTakenLater) session.inflow.taken();
      }
    });
  }

  async #awaitTaken(taking: Promise<void>, session: Session): Promise<void> {
    try {
      await taking;
    } catch (error) {
      this.#options.tally.count("handler threw", { error });
    }
    session.inflow.taken();
    if (!session.hasEnded) this.#tellCredit(session);
  }

  #tellCredit(session: Session): void {
    if (!session.inflow.isWorthTelling()) return;
    session.lane.beat();
    this.#writer.wake(session.lane);
  }

  #makeReply(session: Session, question: Extract<WireMessage, { kind: "ask" }>) {
    const { tally } = this.#options;
    const expiresAtMs = performance.now() + question.deadlineMs;
    let isAnswered = false;
    return (outcome: { value: unknown } | { error: string }) => {
      if (isAnswered) tally.count("repeated reply", { type: question.type });
      else if (session.hasEnded) tally.count("reply dropped", { type: question.type });
      else if (performance.now() > expiresAtMs) tally.count("late reply", { type: question.type });
      else this.#answer(session, question, outcome);
      isAnswered = true;
    };
  }

  #answer(
    session: Session,
    question: { readonly type: string; readonly correlation: number },
    outcome: { readonly value: unknown } | { readonly error: string },
  ): void {
    const { type, correlation } = question;
    const { tally } = this.#options;
    const fail = (text: string) =>
      this.#queue(session, { kind: "error", type, body: text.slice(0, 2_000), correlation });
    let isQueued: boolean;
    if ("error" in outcome) isQueued = fail(outcome.error);
    else {
      try {
        isQueued = this.#queue(session, { kind: "reply", type, body: outcome.value, correlation });
      } catch (error) {
        tally.count("invalid reply", { type, error });
        const isTooLarge = error instanceof RangeError;
        isQueued = fail(isTooLarge ? "the reply is too large" : "the reply cannot be encoded");
      }
    }
    if (!isQueued) tally.count("reply dropped", { type, peer: session.peer });
  }

  /** One of no session speaks: told how its session ended, or asked who it is; not for each frame of a burst. */
  #answerStranger(frame: Frame, routingId: Buffer): void {
    const route = routingId.toString("latin1");
    const ofSession = `${route} ${frame.session}`;
    const end = this.#ended.find(ofSession);
    this.#options.tally.count(end === undefined ? "unknown session" : "spoke after its end");
    if (this.#asked.find(ofSession) !== undefined) return;
    this.#asked.add(ofSession, true);
    if (end === undefined) this.#post("WHO", routingId, frame.session, null);
    else this.#post("END", routingId, frame.session, end);
  }

  #drop(session: Session, reason: string, end: "refused" | "revoked" = "refused"): void {
    const words: End = { end: "dropped", reason: reason.slice(0, 2_000) };
    this.#ended.add(`${session.route} ${session.id}`, words);
    this.#sayEnd(session, words, LAST_WORDS_MS);
    this.#end(session, end);
  }

  #sayEnd(session: Session, words: End, withinMs: number): void {
    void session.lane.finish(this.#options.framing.frame("END", session.id, words), withinMs);
    this.#writer.wake(session.lane);
  }

  #end(session: Session, end: PeerEnd): void {
    if (session.hasEnded) return;
    session.hasEnded = true;
    const { peer } = session;
    const sessions = this.#byRoute.get(session.route);
    if (sessions?.get(session.id) === session) sessions.delete(session.id);
    if (sessions?.size === 0) this.#byRoute.delete(session.route);
    this.#byPeer.delete(peer.id);
    this.#identities.delete(session.id);
    const slots = this.#bySlot.get(peer.identity);
    if (slots?.get(peer.slot) === session) slots.delete(peer.slot);
    if (slots?.size === 0) this.#bySlot.delete(peer.identity);
    this.#past.add(session.id, true);
    if (end === "silent" || end === "left") {
      this.#writer.forget(session.lane);
      session.lane.discard();
    }
    this.#calls.runSoon(() => {
      this.#options.handlers.closed(peer, end);
    });
  }

  #queue(session: Session, message: WireMessage): boolean {
    if (!session.lane.add(message)) return false;
    this.#writer.wake(session.lane);
    return true;
  }

  #post(kind: FrameKind, routingId: Buffer, session: string, payload: unknown): void {
    const frame = this.#options.framing.frame(kind, session, payload);
    if (!this.#writer.post([routingId, frame])) this.#options.tally.count("answer dropped");
  }
}
