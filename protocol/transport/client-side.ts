/**
 * The connecting side of a link: one session on a line, which it may share with others. States: `waiting` (between attempts),
 * `dialling` (on the line, no connection yet), `greeting` (HELLO was said), `up` (the server has accepted the session), `closed`. Every way
 * out of the middle three, but `close`, leaves the line and leads to `waiting`; WHO alone leads from `up` to `greeting`. Who is
 * alone on its line has a new connection after that; where others are, only what concerns all of them ends it.
 */
import { randomBytes } from "node:crypto";
import {
  type BodyOf,
  type Checked,
  type ClientHandlers,
  EndpointError,
  type Link,
  type LinkMessages,
  type MessageOf,
  type ReplyOf,
  type SendResult,
} from "../../supervisor/index.ts";
import { AskTable } from "./ask-table.ts";
import { Backoff } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import {
  decodeMessages,
  FRAME_OVERHEAD_BYTES,
  type Frame,
  FrameReference,
  type Packet,
  type WireMessage,
} from "./frame.ts";
import { endSchema, makeHello, refusedSchema, welcomeSchema } from "./hello.ts";
import { Inflow } from "./inflow.ts";
import type { Line, LineLoss, LineUser } from "./line.ts";
import { Liveness, SILENT_AFTER_BEATS, startTicking } from "./liveness.ts";
import { SerialCalls } from "./serial-calls.ts";
import { openLane, type SessionLane } from "./session-lane.ts";
import { LINGER_MS } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";

export interface ClientSideOptions<ToClient extends LinkMessages> {
  readonly line: Line;
  readonly slot: string;
  readonly handlers: ClientHandlers<ToClient>;
  readonly log: TransportLog;
  readonly tally: Tally;
  readonly outboxBound: number;
  /** Messages that the owner may have untaken. */
  readonly window: number;
}

/** What a timer can hold. */
const LONGEST_ASK_MS = 2 ** 31 - 1;
/** A server that is there answers HELLO at once: after four heartbeats, but not before this, it is tried anew. */
const WELCOME_WITHIN_MS = 2_000;
/** HELLO is said again with each heartbeat, as it or its answer may be lost, but not seldomer than this. */
const LONGEST_HELLO_MS = 1_000;
type State = "waiting" | "dialling" | "greeting" | "up" | "closed";
type Retry = LineLoss | "replaced";

/** One accepted or asked-for session of the present connection. */
interface Session {
  readonly id: string;
  readonly lane: SessionLane;
  readonly inflow: Inflow;
  liveness: Liveness;
}

export class ClientSide<ToServer extends LinkMessages, ToClient extends LinkMessages>
  implements LineUser
{
  readonly #link: Link<ToServer, ToClient>;
  readonly #options: ClientSideOptions<ToClient>;
  readonly #line: Line;
  readonly #asks = new AskTable();
  readonly #calls: SerialCalls;
  readonly #delays: Readonly<Record<Retry, Backoff>>;
  #state: State = "waiting";
  #connection: Connection | undefined;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopTicking: () => void = () => undefined;
  #upAtMs = 0;
  #closed: Promise<void> | undefined;

  constructor(link: Link<ToServer, ToClient>, options: ClientSideOptions<ToClient>) {
    const { tally, line } = options;
    const { retryMs } = line.settings;
    this.#link = link;
    this.#options = options;
    this.#line = line;
    this.#calls = new SerialCalls((error) => {
      tally.count("handler threw", { error });
    });
    this.#delays = {
      soon: new Backoff(retryMs.min, retryMs.max),
      refused: new Backoff(retryMs.min * 10, retryMs.max * 3),
      // Somebody else has our key and slot: coming back at once would throw it out in turn, for ever.
      replaced: new Backoff(retryMs.max * 3, retryMs.max * 30),
    };
  }

  start(): void {
    this.#state = "dialling";
    this.#line.join(this);
  }

  send<K extends keyof ToServer & string>(type: K, body: BodyOf<ToServer, K>): SendResult {
    const session = this.#findSession();
    if (session === undefined) return "gone";
    return this.#queue(session, { kind: "tell", type, body }) ? "sent" : "full";
  }

  /** Not async: a promise more for each question shows in what a link can carry. */
  ask<K extends keyof ToServer & string>(
    type: K,
    body: BodyOf<ToServer, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<ToServer, K>> {
    const session = this.#findSession();
    if (session === undefined) {
      return Promise.reject(
        this.#state === "closed"
          ? new EndpointError("closed", `${type}: closed`)
          : new EndpointError("gone", `${type}: there is no session with the server`),
      );
    }
    const deadlineMs = Math.min(Math.max(1, timeoutMs), LONGEST_ASK_MS);
    const { correlation, answer } = this.#asks.open(type, deadlineMs);
    try {
      const question = { kind: "ask", type, body, correlation, deadlineMs } as const;
      if (this.#queue(session, question)) return answer as Promise<ReplyOf<ToServer, K>>;
      this.#asks.withdraw(correlation);
      return Promise.reject(new EndpointError("refused", `${type}: too much waits to be sent`));
    } catch (thrown) {
      this.#asks.withdraw(correlation);
      return Promise.reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    const session = this.#session;
    const wasUp = this.#state === "up";
    this.#state = "closed";
    this.#stopClocks();
    this.#asks.rejectAll("closed", "closed");
    if (session === undefined || connection === undefined) {
      await this.#line.leave(this);
      return;
    }
    const bye = this.#line.settings.framing.frame("BYE", session.id, null);
    if (!wasUp) {
      // HELLO may have arrived, and where others keep the connection nothing else would end that session soon.
      connection.writer.post([bye]);
      await this.#line.leave(this);
      return;
    }
    const said = session.lane.finish(bye, LINGER_MS);
    connection.writer.wake(session.lane);
    await this.#line.leave(this, said);
  }

  /** For the line. */
  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  connected(connection: Connection): void {
    this.#connection = connection;
    this.#greet(connection);
  }

  #greet(connection: Connection): void {
    const { slot, window } = this.#options;
    const { keys, identity, limits, framing } = this.#line.settings;
    this.#state = "greeting";
    const id = randomBytes(12).toString("base64url");
    const who = keys ?? { identity };
    const hello = makeHello(this.#link, id, slot, connection.routingId, who, window);
    const inflow = new Inflow(window);
    const lane = this.#openLane(id, inflow);
    const liveness = new Liveness(limits.heartbeatMs, Number.POSITIVE_INFINITY);
    this.#session = { id, lane, inflow, liveness };
    this.#sayHello(connection, framing.frame("HELLO", id, hello), performance.now());
  }

  /** The server takes a HELLO that it hears twice for one. */
  #sayHello(connection: Connection, frame: Packet, startedAtMs: number): void {
    const { heartbeatMs } = this.#line.settings.limits;
    const withinMs = Math.max(WELCOME_WITHIN_MS, SILENT_AFTER_BEATS * heartbeatMs);
    connection.writer.post([frame]);
    this.#setTimer(Math.min(heartbeatMs, LONGEST_HELLO_MS), () => {
      if (performance.now() - startedAtMs < withinMs) {
        this.#sayHello(connection, frame, startedAtMs);
      } else this.#line.breakOff(connection, "no answer to HELLO", "soon");
    });
  }

  #openLane(session: string, inflow: Inflow): SessionLane {
    const { outboxBound, tally } = this.#options;
    const { limits, framing } = this.#line.settings;
    return openLane(framing, {
      session,
      link: this.#link.name,
      bound: outboxBound,
      largestMessageBytes: limits.maxFrameBytes - FRAME_OVERHEAD_BYTES,
      credit: () => inflow.takeCredit(),
      lost: (count) => {
        tally.count("message not sent", {}, count);
      },
    });
  }

  received(frame: Frame, packet: Packet, connection: Connection): void {
    try {
      const session = this.#session;
      if (session === undefined) return;
      session.liveness.heard();
      if (frame.kind === "DATA") {
        if (this.#state !== "up") return;
        const isTrusted = packet instanceof FrameReference;
        const messages = isTrusted ? packet.messages : decodeMessages(frame.payload);
        this.#takeData(frame, messages, isTrusted, session, connection);
      } else this.#take(frame, session, connection);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.tally.count("malformed frame", { reason });
      this.#line.breakOff(connection, `malformed frame: ${reason}`, "refused");
    }
  }

  #take(frame: Frame, session: Session, connection: Connection): void {
    switch (frame.kind) {
      case "WELCOME":
        if (this.#state === "greeting") this.#welcome(frame, session, connection);
        return;
      case "REFUSED": {
        const { reason } = refusedSchema.parse(frame.payload);
        this.#leave(`refused: ${reason}`, "refused", session, connection);
        return;
      }
      case "WHO":
        if (this.#state !== "up") return;
        connection.writer.forget(session.lane);
        session.lane.discard();
        this.#leaveUp("unknown session: the server does not know it any more");
        this.#greet(connection);
        return;
      case "END": {
        const { end, reason } = endSchema.parse(frame.payload);
        const words = `${end}: ${reason}`;
        if (end === "replaced") this.#leave(words, "replaced", session, connection);
        else if (end === "dropped") this.#leave(words, "refused", session, connection);
        else this.#line.breakOff(connection, words, "soon");
        return;
      }
      case "HELLO":
      case "BYE":
      case "DATA":
        this.#options.tally.count("unexpected frame", { kind: frame.kind });
    }
  }

  #welcome(frame: Frame, session: Session, connection: Connection): void {
    const { handlers, log } = this.#options;
    const { limits } = this.#line.settings;
    const { heartbeatMs: theirsMs, epoch, window } = welcomeSchema.parse(frame.payload);
    session.lane.grant(window);
    const ownMs = limits.heartbeatMs;
    const beatMs = Math.min(ownMs, theirsMs);
    session.liveness = new Liveness(beatMs, SILENT_AFTER_BEATS * Math.max(ownMs, theirsMs));
    this.#stopClocks();
    this.#state = "up";
    this.#upAtMs = performance.now();
    this.#stopTicking = startTicking(beatMs, (passedMs) => {
      session.liveness.pass(passedMs);
      if (session.liveness.isSilent()) void this.#judge(session, connection);
      else if (session.liveness.takeBeat()) {
        session.lane.beat();
        connection.writer.wake(session.lane);
      }
    });
    log.debug({ link: this.#link.name, epoch }, "session accepted");
    this.#calls.run(() => {
      handlers.up();
    });
  }

  async #judge(session: Session, connection: Connection): Promise<void> {
    await connection.drained();
    if (this.#session === session && session.liveness.isSilent()) {
      this.#line.breakOff(connection, "silent: nothing was heard from the server", "soon");
    }
  }

  #takeData(
    frame: Frame,
    messages: readonly WireMessage[],
    isTrusted: boolean,
    session: Session,
    connection: Connection,
  ): void {
    const { tally } = this.#options;
    session.lane.grant(frame.credit);
    const lost = session.inflow.arrive(frame.sequence, messages.length);
    if (lost === undefined) {
      tally.count("repeated frame");
      return;
    }
    if (lost > 0) tally.count("lost message", {}, lost);
    for (const message of messages) {
      if (this.#session !== session || this.#state !== "up") return;
      if (message.kind === "reply" || message.kind === "error") {
        this.#takeAnswer(message, isTrusted);
      } else this.#takeMessage(message, isTrusted, session, connection);
    }
    if (session.lane.sendable > 0) connection.writer.wake(session.lane);
    this.#tellCredit(session, connection);
  }

  #takeMessage(
    message: Extract<WireMessage, { kind: "tell" | "ask" }>,
    isTrusted: boolean,
    session: Session,
    connection: Connection,
  ): void {
    const { tally, handlers } = this.#options;
    if (!session.inflow.admit()) {
      tally.count("beyond credit");
      const words = "malformed frame: more messages than there was credit for";
      this.#line.breakOff(connection, words, "refused");
      return;
    }
    const checked: Checked<MessageOf<ToClient>> = isTrusted
      ? { ok: true, value: { type: message.type, body: message.body } as MessageOf<ToClient> }
      : this.#link.checkToClient(message.type, message.body);
    if (message.kind === "ask" || !checked.ok) {
      session.inflow.taken();
      const reason = checked.ok ? "a bound end asks nothing" : checked.reason;
      tally.count("invalid message", { reason });
      return;
    }
    this.#calls.run(() => {
      if (this.#isClosed()) return;
      let isTakenLater = false;
      try {
        const taking = handlers.message(checked.value);
        isTakenLater = taking !== undefined;
        if (taking !== undefined) void this.#awaitTaken(taking, session, connection);
      } finally {
        if (!isTakenLater) session.inflow.taken();
      }
    });
  }

  async #awaitTaken(
    taking: Promise<void>,
    session: Session,
    connection: Connection,
  ): Promise<void> {
    try {
      await taking;
    } catch (error) {
      this.#options.tally.count("handler threw", { error });
    }
    session.inflow.taken();
    if (this.#findSession() === session) this.#tellCredit(session, connection);
  }

  #tellCredit(session: Session, connection: Connection): void {
    if (!session.inflow.isWorthTelling()) return;
    session.lane.beat();
    connection.writer.wake(session.lane);
  }

  #takeAnswer(
    message: Extract<WireMessage, { kind: "reply" | "error" }>,
    isTrusted: boolean,
  ): void {
    const { tally } = this.#options;
    const isExpected = this.#asks.settle(message.correlation, (waiting) => {
      if (message.kind === "error") {
        waiting.reject(new EndpointError("refused", message.body));
        return;
      }
      const checked: Checked<unknown> = isTrusted
        ? { ok: true, value: message.body }
        : this.#link.checkReply(waiting.type, message.body);
      if (checked.ok) waiting.resolve(checked.value);
      else {
        tally.count("invalid reply", { reason: checked.reason });
        waiting.reject(new EndpointError("refused", checked.reason));
      }
    });
    if (!isExpected) tally.count("late reply", { type: message.type });
  }

  /** The server ended this session, and of the others says nothing. */
  #leave(reason: string, retry: Retry, session: Session, connection: Connection): void {
    connection.writer.forget(session.lane);
    void this.#line.leave(this);
    this.#wait(reason, retry);
  }

  lost(reason: string, loss: LineLoss): void {
    this.#wait(reason, loss);
  }

  /** Tells why there is no session, and comes back later. */
  #wait(reason: string, retry: Retry): void {
    if (this.#isClosed()) return;
    const isFirmlyUp =
      this.#state === "up" && performance.now() - this.#upAtMs > this.#line.settings.retryMs.max;
    if (isFirmlyUp) for (const delays of Object.values(this.#delays)) delays.reset();
    this.#connection = undefined;
    this.#session?.lane.discard();
    const wasUp = this.#state === "up";
    this.#state = "waiting";
    this.#stopClocks();
    const delayMs = this.#delays[retry].nextMs();
    this.#options.log.debug({ link: this.#link.name, reason, delayMs }, "connection lost");
    this.#setTimer(delayMs, () => {
      this.start();
    });
    if (wasUp) this.#leaveUp(reason);
    else if (retry === "soon") this.#options.tally.count("connection failed", { reason });
    else this.#tellDown(reason);
    this.#session = undefined;
  }

  #leaveUp(reason: string): void {
    this.#stopTicking();
    this.#asks.rejectAll("gone", reason);
    this.#tellDown(reason);
  }

  #tellDown(reason: string): void {
    this.#calls.runSoon(() => {
      if (!this.#isClosed()) this.#options.handlers.down(reason);
    });
  }

  #queue(session: Session, message: WireMessage): boolean {
    if (!session.lane.add(message)) return false;
    this.#connection?.writer.wake(session.lane);
    return true;
  }

  #findSession(): Session | undefined {
    return this.#state === "up" ? this.#session : undefined;
  }

  /** A method, since a test of the field would be believed past an await. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #setTimer(delayMs: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, delayMs);
  }

  #stopClocks(): void {
    clearTimeout(this.#timer);
    this.#stopTicking();
  }
}
