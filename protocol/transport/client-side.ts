/**
 * The connecting side of a link. States: `waiting` (between attempts), `dialling` (a socket is open, no
 * connection yet), `greeting` (HELLO was said), `up` (the server has accepted the session), `closed`. Every way out of the middle three,
 * but `close`, leads to `waiting` and a new connection; WHO alone leads from `up` to `greeting` on the same one.
 */
import { randomBytes } from "node:crypto";
import {
  type BodyOf,
  type ClientHandlers,
  EndpointError,
  type Link,
  type LinkMessages,
  type ReplyOf,
  type SendResult,
} from "../../supervisor/index.ts";
import { type Address, resolveToConnect } from "./address.ts";
import { AskTable } from "./ask-table.ts";
import { Backoff } from "./backoff.ts";
import { type ClientKeys, Connection } from "./connection.ts";
import {
  decodeFrame,
  decodeMessages,
  encodeFrame,
  encodeMessage,
  FRAME_OVERHEAD_BYTES,
  type Frame,
  type WireMessage,
} from "./frame.ts";
import { endSchema, makeHello, refusedSchema, welcomeSchema } from "./hello.ts";
import { Liveness, SILENT_AFTER_BEATS, startTicking } from "./liveness.ts";
import { SerialCalls } from "./serial-calls.ts";
import { SessionLane } from "./session-lane.ts";
import { LINGER_MS, type SocketLimits } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";

export interface ClientSideOptions<ToClient extends LinkMessages> {
  readonly address: Address;
  readonly keys: ClientKeys | undefined;
  readonly identity: string;
  readonly slot: string;
  readonly handlers: ClientHandlers<ToClient>;
  readonly log: TransportLog;
  readonly tally: Tally;
  readonly limits: SocketLimits;
  readonly outboxBound: number;
  readonly retryMs: { readonly min: number; readonly max: number };
}

/** What a timer can hold. */
const LONGEST_ASK_MS = 2 ** 31 - 1;
/** A server that is there answers HELLO at once; one that does not is tried anew. */
const WELCOME_WITHIN_MS = 5_000;
/** Nobody listens: the name is looked up again after this. */
const DIAL_MS = 10_000;

type State = "waiting" | "dialling" | "greeting" | "up" | "closed";
type Retry = "soon" | "refused" | "replaced";

/** One accepted or asked-for session of the present connection. */
interface Session {
  readonly id: string;
  readonly lane: SessionLane;
  liveness: Liveness;
  lastSequence: number;
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

  async ask<K extends keyof ToServer & string>(
    type: K,
    body: BodyOf<ToServer, K>,
    timeoutMs: number,
  ): Promise<ReplyOf<ToServer, K>> {
    const session = this.#findSession();
    if (session === undefined) {
      if (this.#state === "closed") throw new EndpointError("closed", `${type}: closed`);
      throw new EndpointError("gone", `${type}: there is no session with the server`);
    }
    const deadlineMs = Math.min(Math.max(1, timeoutMs), LONGEST_ASK_MS);
    const { correlation, answer } = this.#asks.open(type, deadlineMs);
    let isQueued = false;
    try {
      const question = { kind: "ask", type, body, correlation, deadlineMs } as const;
      isQueued = this.#queue(session, question);
    } finally {
      if (!isQueued) this.#asks.withdraw(correlation);
    }
    if (!isQueued) throw new EndpointError("refused", `${type}: too much waits to be sent`);
    return (await answer) as ReplyOf<ToServer, K>;
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
    session.lane.finish(encodeFrame("BYE", session.id, null), LINGER_MS);
    connection.writer.wake(session.lane);
    await connection.close();
  }

  async #dial(): Promise<void> {
    this.#state = "dialling";
    const { address, keys, limits, retryMs, tally } = this.#options;
    this.#attempts += 1;
    try {
      const target = await resolveToConnect(address, this.#attempts - 1);
      if (this.#isClosed()) return;
      const minMs = retryMs.min * (1 + Math.random());
      const connection = new Connection(
        {
          target,
          keys,
          limits,
          reconnectMs: { min: minMs, max: Math.max(minMs, Math.min(retryMs.max, DIAL_MS / 2)) },
        },
        {
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
        },
      );
      this.#connection = connection;
      this.#setTimer(DIAL_MS, () => {
        this.#lose("nobody answers", "soon");
      });
    } catch (error) {
      if (this.#isClosed()) return;
      this.#lose(error instanceof Error ? error.message : String(error), "soon");
    }
  }

  #greet(connection: Connection): void {
    const { keys, identity, slot, outboxBound, limits } = this.#options;
    this.#state = "greeting";
    const id = randomBytes(12).toString("base64url");
    const who = keys ?? { identity };
    const hello = makeHello(this.#link, id, slot, connection.routingId, who);
    const lane = new SessionLane(id, outboxBound);
    const liveness = new Liveness(limits.heartbeatMs, Number.POSITIVE_INFINITY);
    this.#session = { id, lane, liveness, lastSequence: 0 };
    connection.writer.post([encodeFrame("HELLO", id, hello)]);
    this.#setTimer(WELCOME_WITHIN_MS, () => {
      this.#lose("no answer to HELLO", "soon");
    });
  }

  #receive(parts: readonly Buffer[], connection: Connection): void {
    try {
      const [bytes] = parts;
      if (bytes === undefined || parts.length !== 1) throw new Error(`${parts.length} parts`);
      const frame = decodeFrame(bytes);
      const session = this.#session;
      // What was meant for an earlier session of this connection came too late.
      if (session === undefined || frame.session !== session.id) return;
      session.liveness.heard();
      this.#take(frame, session, connection);
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
        this.#leaveUp("unknown session: the server does not know it any more");
        this.#greet(connection);
        return;
      case "END": {
        const { end, reason } = endSchema.parse(frame.payload);
        const retry = end === "replaced" ? "replaced" : end === "dropped" ? "refused" : "soon";
        this.#lose(`${end}: ${reason}`, retry);
        return;
      }
      case "DATA":
        if (this.#state === "up") this.#takeData(frame, session);
        return;
      case "HELLO":
      case "BYE":
        this.#options.tally.count("unexpected frame", { kind: frame.kind });
    }
  }

  #welcome(frame: Frame, session: Session, connection: Connection): void {
    const { limits, handlers, log } = this.#options;
    const { heartbeatMs: theirsMs, epoch } = welcomeSchema.parse(frame.payload);
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

  #takeData(frame: Frame, session: Session): void {
    if (frame.sequence <= session.lastSequence) {
      this.#options.tally.count("repeated frame");
      return;
    }
    session.lastSequence = frame.sequence;
    for (const message of decodeMessages(frame.payload)) {
      if (this.#session !== session || this.#state !== "up") return;
      this.#takeMessage(message);
    }
  }

  #takeMessage(message: WireMessage): void {
    const { tally, handlers } = this.#options;
    if (message.kind === "reply" || message.kind === "error") {
      this.#takeAnswer(message);
      return;
    }
    const checked = this.#link.checkToClient(message.type, message.body);
    if (message.kind === "ask" || !checked.ok) {
      const reason = checked.ok ? "a bound end asks nothing" : checked.reason;
      tally.count("invalid message", { reason });
      return;
    }
    this.#calls.run(() => {
      if (!this.#isClosed()) handlers.message(checked.value);
    });
  }

  #takeAnswer(message: Extract<WireMessage, { kind: "reply" | "error" }>): void {
    const { tally } = this.#options;
    const isExpected = this.#asks.settle(message.correlation, (waiting) => {
      if (message.kind === "error") {
        waiting.reject(new EndpointError("refused", message.body));
        return;
      }
      const checked = this.#link.checkReply(waiting.type, message.body);
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
    const bytes = encodeMessage(message);
    if (bytes.length > this.#options.limits.maxFrameBytes - FRAME_OVERHEAD_BYTES) {
      throw new RangeError(
        `${this.#link.name}: ${message.type} of ${bytes.length} bytes is too large`,
      );
    }
    if (!session.lane.add(bytes)) return false;
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
