/**
 * The bound side of a link: who has a session, what they say, when they end. Given frames by the socket's
 * reader and a writer for answers; calls the owner's handlers. Opens no sockets itself (`bind-endpoint.ts` does).
 */
import type {
  BodyOf,
  Link,
  LinkMessages,
  Peer,
  PeerEnd,
  SendResult,
  ServerHandlers,
} from "../../supervisor/index.ts";
import { MalformedFrameError } from "./codec.ts";
import {
  decodeFrame,
  decodeMessages,
  encodeFrame,
  encodeMessage,
  type Frame,
  type FrameKind,
  type WireMessage,
} from "./frame.ts";
import type { FrameWriter, Lane } from "./frame-writer.ts";
import { type Doorkeeper, type End, judgeHello, ownEpoch } from "./hello.ts";
import { Liveness, SILENT_AFTER_BEATS } from "./liveness.ts";
import { RecentRoutes } from "./recent-routes.ts";
import { SerialCalls } from "./serial-calls.ts";
import { SessionLane } from "./session-lane.ts";
import type { Tally } from "./tally.ts";

/** How long an ended session may still take what was queued for it. */
const LAST_WORDS_MS = 2_000;
/** A stranger that speaks on is asked again after this. */
const ASK_AGAIN_MS = 100;
/** How long a connection that was shown the door stays refused; its client opens a new one. */
const REMEMBER_END_MS = 600_000;
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
  lastSequence: number;
  hasEnded: boolean;
}

export interface ServerSideOptions<ToServer extends LinkMessages> {
  readonly door: Doorkeeper;
  readonly handlers: ServerHandlers<ToServer>;
  readonly tally: Tally;
  readonly heartbeatMs: number;
  readonly outboxBound: number;
  readonly largestMessageBytes: number;
  /** Resolves when nothing unread waits, or when `most` more frames were taken. */
  drained(most: number): Promise<void>;
}

export class ServerSide<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly #link: Link<ToServer, ToClient>;
  readonly #options: ServerSideOptions<ToServer>;
  readonly #writer: FrameWriter;
  readonly #calls: SerialCalls;
  readonly #byRoute = new Map<string, Session>();
  readonly #byPeer = new Map<string, Session>();
  readonly #bySlot = new Map<string, Map<string, Session>>();
  readonly #asked = new RecentRoutes<true>(ASK_AGAIN_MS);
  readonly #ended = new RecentRoutes<End>(REMEMBER_END_MS);
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

  /** Takes what the ROUTER received. Never throws: nothing that a peer sends can hurt the reader. */
  receive(parts: readonly Buffer[]): void {
    const [routingId, bytes] = parts;
    if (routingId === undefined) return;
    const session = this.#byRoute.get(routingId.toString("latin1"));
    try {
      if (bytes === undefined || parts.length !== 2) {
        throw new MalformedFrameError(`${parts.length - 1} parts`);
      }
      const frame = decodeFrame(bytes);
      session?.liveness.heard();
      this.#take(frame, routingId, session);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.tally.count("malformed frame", { peer: session?.peer, reason });
      if (session !== undefined) this.#drop(session, `malformed frame: ${reason}`);
    }
  }

  send<K extends keyof ToClient & string>(
    peer: Peer,
    type: K,
    body: BodyOf<ToClient, K>,
  ): SendResult {
    const session = this.#byPeer.get(peer.id);
    if (session === undefined) return "gone";
    const message = encodeMessage({ kind: "tell", type, body });
    if (message.length > this.#options.largestMessageBytes) {
      throw new RangeError(`${this.#link.name}: ${type} of ${message.length} bytes is too large`);
    }
    return this.#queue(session, message) ? "sent" : "full";
  }

  drop(peer: Peer, reason: string): void {
    const session = this.#byPeer.get(peer.id);
    if (session !== undefined) this.#drop(session, reason);
  }

  /** The writer found no connection behind a lane. What the peer said before it went is still heard. */
  unreachable(lane: Lane): void {
    const session = this.#byRoute.get(lane.routingId?.toString("latin1") ?? "");
    if (session?.lane === lane) session.liveness.lost();
  }

  /** To be called several times within a heartbeat's interval, with the time that counts. */
  tick(passedMs: number): void {
    let isAnySilent = false;
    for (const session of [...this.#byRoute.values()]) {
      session.liveness.pass(passedMs);
      if (session.liveness.isSilent()) isAnySilent = true;
      else if (session.liveness.takeBeat()) this.#beat(session);
    }
    if (isAnySilent && !this.#isJudging) {
      this.#isJudging = true;
      void this.#judge();
    }
  }

  #beat(session: Session): void {
    const { door, tally } = this.#options;
    if (door.keys?.isAuthorised(session.peer.identity) === false) {
      tally.count("key not authorised", { peer: session.peer });
      this.#drop(session, "the key is no longer authorised");
      return;
    }
    session.lane.beat();
    this.#writer.wake(session.lane);
  }

  async #judge(): Promise<void> {
    // ROUTER takes turns among its peers: after this many frames each one's was taken.
    await this.#options.drained(2 * this.#byRoute.size + 64);
    this.#isJudging = false;
    for (const session of [...this.#byRoute.values()]) {
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
    for (const session of [...this.#byRoute.values()]) {
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
        if (session?.id === frame.session) this.#end(session, "left");
        return;
      case "DATA":
        if (session?.id === frame.session) this.#takeData(frame, session);
        else this.#answerStranger(frame, routingId);
        return;
      case "WELCOME":
      case "REFUSED":
      case "WHO":
      case "END":
        this.#options.tally.count("unexpected frame", { kind: frame.kind });
    }
  }

  #takeHello(frame: Frame, routingId: Buffer, known: Session | undefined): void {
    const { door, tally, heartbeatMs, outboxBound } = this.#options;
    const route = routingId.toString("latin1");
    const id = frame.session;
    const judgement = judgeHello(door, frame.payload, id, routingId);
    const end = this.#ended.find(route);
    if (!judgement.ok || end !== undefined) {
      const reason = judgement.ok ? (end?.reason ?? "") : judgement.reason;
      tally.count(judgement.ok ? "spoke after its end" : judgement.incident, { reason });
      this.#post("REFUSED", routingId, id, { reason });
      return;
    }
    const { identity, slot } = judgement;
    if (known?.id !== id) {
      const slots = this.#bySlot.get(identity) ?? new Map<string, Session>();
      if (slots.size >= MOST_SLOTS && !slots.has(slot)) {
        tally.count("hello refused", { identity, reason: "too many slots" });
        this.#post("REFUSED", routingId, id, { reason: "too many connections of this key" });
        return;
      }
      if (known !== undefined) this.#end(known, "left");
      const older = slots.get(slot);
      if (older !== undefined && older !== known) {
        const words: End = {
          end: "replaced",
          reason: "a newer connection of the same key and slot",
        };
        this.#ended.add(older.route, words);
        this.#sayEnd(older, words, LAST_WORDS_MS);
        this.#end(older, "replaced");
      }
      peerCounter += 1;
      // A copy: what was received is a view into a whole message's memory.
      const ownRoutingId = Buffer.from(routingId);
      const session: Session = {
        id,
        routingId: ownRoutingId,
        route,
        peer: Object.freeze({ id: `${ownEpoch}.${peerCounter}`, identity, slot }),
        lane: new SessionLane(id, outboxBound, ownRoutingId),
        liveness: new Liveness(heartbeatMs, SILENT_AFTER_BEATS * heartbeatMs),
        lastSequence: 0,
        hasEnded: false,
      };
      this.#byRoute.set(route, session);
      this.#byPeer.set(session.peer.id, session);
      this.#bySlot.set(identity, slots.set(slot, session));
      // WELCOME is posted, and what is posted goes before what the owner says in `opened`.
      this.#post("WELCOME", routingId, id, { epoch: ownEpoch, heartbeatMs });
      this.#calls.run(() => {
        this.#options.handlers.opened(session.peer);
      });
      return;
    }
    // Said twice: the first WELCOME may have been lost.
    this.#post("WELCOME", routingId, id, { epoch: ownEpoch, heartbeatMs });
  }

  #takeData(frame: Frame, session: Session): void {
    if (frame.sequence <= session.lastSequence) {
      this.#options.tally.count("repeated frame", { peer: session.peer });
      return;
    }
    session.lastSequence = frame.sequence;
    for (const message of decodeMessages(frame.payload)) {
      if (session.hasEnded) {
        this.#options.tally.count("spoke after its end", { peer: session.peer });
        return;
      }
      this.#takeMessage(message, session);
    }
  }

  #takeMessage(message: WireMessage, session: Session): void {
    const { tally, handlers } = this.#options;
    if (message.kind === "reply" || message.kind === "error") {
      tally.count("invalid message", { peer: session.peer, reason: "a reply to nothing" });
      return;
    }
    const checked = this.#link.checkToServer(message.type, message.body);
    if (!checked.ok) {
      tally.count("invalid message", { peer: session.peer, reason: checked.reason });
      if (message.kind === "ask") this.#answer(session, message, { error: checked.reason });
      return;
    }
    const reply = message.kind === "ask" ? this.#makeReply(session, message) : undefined;
    this.#calls.run(() => {
      if (session.hasEnded) return;
      if (reply === undefined) handlers.message(session.peer, checked.value);
      else handlers.message(session.peer, checked.value, reply);
    });
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
    const { tally, largestMessageBytes } = this.#options;
    const asError = (text: string) =>
      encodeMessage({ kind: "error", type, body: text.slice(0, 2_000), correlation });
    let message: Buffer;
    if ("error" in outcome) message = asError(outcome.error);
    else {
      try {
        message = encodeMessage({ kind: "reply", type, body: outcome.value, correlation });
        if (message.length > largestMessageBytes) message = asError("the reply is too large");
      } catch (error) {
        tally.count("invalid reply", { type, error });
        message = asError("the reply cannot be encoded");
      }
    }
    if (!this.#queue(session, message)) tally.count("reply dropped", { type, peer: session.peer });
  }

  /** One of no session speaks: told how its session ended, or asked who it is; not for each frame of a burst. */
  #answerStranger(frame: Frame, routingId: Buffer): void {
    const route = routingId.toString("latin1");
    const end = this.#ended.find(route);
    this.#options.tally.count(end === undefined ? "unknown session" : "spoke after its end");
    if (this.#asked.find(route) !== undefined) return;
    this.#asked.add(route, true);
    if (end === undefined) this.#post("WHO", routingId, frame.session, null);
    else this.#post("END", routingId, frame.session, end);
  }

  #drop(session: Session, reason: string): void {
    const words: End = { end: "dropped", reason: reason.slice(0, 2_000) };
    this.#ended.add(session.route, words);
    this.#sayEnd(session, words, LAST_WORDS_MS);
    this.#end(session, "refused");
  }

  #sayEnd(session: Session, words: End, withinMs: number): void {
    session.lane.finish(encodeFrame("END", session.id, words), withinMs);
    this.#writer.wake(session.lane);
  }

  #end(session: Session, end: PeerEnd): void {
    if (session.hasEnded) return;
    session.hasEnded = true;
    const { peer } = session;
    if (this.#byRoute.get(session.route) === session) this.#byRoute.delete(session.route);
    this.#byPeer.delete(peer.id);
    const slots = this.#bySlot.get(peer.identity);
    if (slots?.get(peer.slot) === session) slots.delete(peer.slot);
    if (slots?.size === 0) this.#bySlot.delete(peer.identity);
    if (end === "silent" || end === "left") this.#writer.forget(session.lane);
    this.#calls.runSoon(() => {
      this.#options.handlers.closed(peer, end);
    });
  }

  #queue(session: Session, message: Buffer): boolean {
    if (!session.lane.add(message)) return false;
    this.#writer.wake(session.lane);
    return true;
  }

  #post(kind: FrameKind, routingId: Buffer, session: string, payload: unknown): void {
    const frame = encodeFrame(kind, session, payload);
    if (!this.#writer.post([routingId, frame])) this.#options.tally.count("answer dropped");
  }
}
