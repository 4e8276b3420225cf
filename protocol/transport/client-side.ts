/**
 * The connecting side of a link. States: `waiting` (between attempts), `dialling` (a socket is open, no
 * connection yet), `greeting` (HELLO was said), `up` (the server has accepted the session), `closed`. Every way out of the middle three,
 * but `close`, leads to `waiting` and a new connection; WHO alone leads from `up` to `greeting` on the same one.
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
import { Connection } from "./connection.ts";
import {
  decodeFrame,
  decodeMessages,
  FRAME_OVERHEAD_BYTES,
  type Frame,
  FrameReference,
  type Packet,
  type WireMessage,
} from "./frame.ts";
import type { FindServer } from "./frame-socket.ts";
import type { Framing } from "./framing.ts";
import { endSchema, makeHello, refusedSchema, welcomeSchema } from "./hello.ts";
import { Inflow } from "./inflow.ts";
import { Liveness, SILENT_AFTER_BEATS, startTicking } from "./liveness.ts";
import { SerialCalls } from "./serial-calls.ts";
import { openLane, type SessionLane } from "./session-lane.ts";
import { LINGER_MS, type SocketLimits } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import type { ClientKeys } from "./zeromq-sockets.ts";

export interface ClientSideOptions<ToClient extends LinkMessages> {
  readonly findServer: FindServer;
  readonly framing: Framing;
  readonly keys: ClientKeys | undefined;
  readonly identity: string;
  readonly slot: string;
  readonly handlers: ClientHandlers<ToClient>;
  readonly log: TransportLog;
  readonly tally: Tally;
  readonly limits: SocketLimits;
  readonly outboxBound: number;
  /** Messages that the owner may have untaken. */
  readonly window: number;
  readonly retryMs: { readonly min: number; readonly max: number };
}

/** What a timer can hold. */
const LONGEST_ASK_MS = 2 ** 31 - 1;
/** A server that is there answers HELLO at once: after four heartbeats, but not before this, it is tried anew. */
const WELCOME_WITHIN_MS = 2_000;
/** HELLO is said again with each heartbeat, as it or its answer may be lost, but not seldomer than this. */
const LONGEST_HELLO_MS = 1_000;
/** Nobody listens: the name is looked up again after twice the longest delay between attempts, within these. */
const DIAL_MS = { min: 1_000, max: 10_000 };

type State = "waiting" | "dialling" | "greeting" | "up" | "closed";
type Retry = "soon" | "refused" | "replaced";

/** One accepted or asked-for session of the present connection. */
interface Session {
  readonly id: string;
  readonly lane: SessionLane;
  readonly inflow: Inflow;
  liveness: Liveness;
}

export class ClientSide<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly #link: Link<ToServer, ToClient>;
  readonly #options: ClientSideOptions<ToClient>;
  readonly #asks = new AskTable();
  readonly #calls: SerialCalls;
  readonly #delays: Readonly<Record<Retry, Backoff>>;
  #state: State = "waiting";
  #connection: Connection | undefined;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopTicking: () => void = () => undefined;
  #attempts = 0;
  #upAtMs = 0;
  #closed: Promise<void> | undefined;

  constructor(link: Link<ToServer, ToClient>, options: ClientSideOptions<ToClient>) {
    const { tally, retryMs } = options;
    this.#link = link;
    this.#options = options;
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
    void this.#dial();
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
    const session = this.#findSession();
    const connection = this.#connection;
    this.#state = "closed";
    this.#stopClocks();
    this.#asks.rejectAll("closed", "closed");
    if (connection === undefined) return;
    if (session === undefined) {
      connection.abandon();
      return;
    }
    session.lane.finish(this.#options.framing.frame("BYE", session.id, null), LINGER_MS);
    connection.writer.wake(session.lane);
    await connection.close();
  }

  async #dial(): Promise<void> {
    this.#state = "dialling";
    const { findServer, retryMs, tally } = this.#options;
    this.#attempts += 1;
    try {
      const dial = await findServer(this.#attempts - 1);
      if (this.#isClosed()) return;
      const connection = new Connection(dial, {
        connected: () => {
          if (this.#connection === connection) this.#greet(connection);
        },
        received: (parts) => {
          if (this.#connection === connection) this.#receive(parts, connection);
        },
        ended: (reason, isRefusal) => {
          if (this.#connection === connection) this.#lose(reason, isRefusal ? "refused" : "soon");
        },
        failed: (error) => {
          tally.count("connection failed", { error });
        },
      });
      this.#connection = connection;
      const dialMs = Math.min(DIAL_MS.max, Math.max(DIAL_MS.min, 2 * retryMs.max));
      this.#setTimer(dialMs, () => {
        this.#lose("nobody answers", "soon");
      });
    } catch (error) {
      if (this.#isClosed()) return;
      this.#lose(error instanceof Error ? error.message : String(error), "soon");
    }
  }

  #greet(connection: Connection): void {
    const { keys, identity, slot, limits, framing, window } = this.#options;
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
    const { heartbeatMs } = this.#options.limits;
    const withinMs = Math.max(WELCOME_WITHIN_MS, SILENT_AFTER_BEATS * heartbeatMs);
    connection.writer.post([frame]);
    this.#setTimer(Math.min(heartbeatMs, LONGEST_HELLO_MS), () => {
      if (performance.now() - startedAtMs < withinMs) {
        this.#sayHello(connection, frame, startedAtMs);
      } else this.#lose("no answer to HELLO", "soon");
    });
  }

  #openLane(session: string, inflow: Inflow): SessionLane {
    const { outboxBound, limits, framing, tally } = this.#options;
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

  #receive(parts: readonly Packet[], connection: Connection): void {
    try {
      const [packet] = parts;
      if (packet === undefined || parts.length !== 1) throw new Error(`${parts.length} parts`);
      const frame = decodeFrame(packet);
      const session = this.#session;
      // What was meant for an earlier session of this connection came too late.
      if (session === undefined || frame.session !== session.id) return;
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
      this.#lose(`malformed frame: ${reason}`, "refused");
    }
  }

  #take(frame: Frame, session: Session, connection: Connection): void {
    switch (frame.kind) {
      case "WELCOME":
        if (this.#state === "greeting") this.#welcome(frame, session, connection);
        return;
      case "REFUSED": {
        const { reason } = refusedSchema.parse(frame.payload);
        this.#lose(`refused: ${reason}`, "refused");
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
        const retry = end === "replaced" ? "replaced" : end === "dropped" ? "refused" : "soon";
        this.#lose(`${end}: ${reason}`, retry);
        return;
      }
      case "HELLO":
      case "BYE":
      case "DATA":
        this.#options.tally.count("unexpected frame", { kind: frame.kind });
    }
  }

  #welcome(frame: Frame, session: Session, connection: Connection): void {
    const { limits, handlers, log } = this.#options;
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
      this.#lose("silent: nothing was heard from the server", "soon");
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
      this.#lose("malformed frame: more messages than there was credit for", "refused");
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

  /** The connection is of no use any more: tells why, and opens another one later. */
  #lose(reason: string, retry: Retry): void {
    if (this.#isClosed()) return;
    const isFirmlyUp =
      this.#state === "up" && performance.now() - this.#upAtMs > this.#options.retryMs.max;
    if (isFirmlyUp) for (const delays of Object.values(this.#delays)) delays.reset();
    this.#connection?.abandon();
    this.#connection = undefined;
    this.#session?.lane.discard();
    const wasUp = this.#state === "up";
    this.#state = "waiting";
    this.#stopClocks();
    const delayMs = this.#delays[retry].nextMs();
    this.#options.log.debug({ link: this.#link.name, reason, delayMs }, "connection lost");
    this.#setTimer(delayMs, () => {
      void this.#dial();
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
