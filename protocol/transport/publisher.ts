/**
 * Publishes a link's messages to whoever listens: the lossy lane. Messages are numbered, and the number
 * reached is repeated while there is nothing to say, so that a listener knows what it missed. Nothing is kept or sent again, and
 * nothing encoded while nobody listens.
 * Listeners say nothing, so with keys it is the door alone that tells who they are: when a key that came in is authorised no more,
 * all connections end, and the others come back by themselves.
 */
import { XPublisher } from "zeromq";
import type { BodyOf, Link, LinkMessages } from "../../supervisor/index.ts";
import { parseAddress, refuseInner, type ZeromqAddress } from "./address.ts";
import { askKeys, type ServerKeys, serverKeysFor } from "./bind-endpoint.ts";
import { type BoundSocket, bindSocket } from "./bind-socket.ts";
import type { Packet } from "./frame.ts";
import { FrameWriter, type Lane } from "./frame-writer.ts";
import { ownEpoch } from "./hello.ts";
import { encodePublished } from "./published-frame.ts";
import { connectionOptions, LINGER_MS, limitsOf, type SocketLimits } from "./socket-options.ts";
import { SocketReader } from "./socket-reader.ts";
import { Tally } from "./tally.ts";
import type { TransportLog } from "./transport-log.ts";
import { type GuardedDomain, guardDomain } from "./zap-handler.ts";
import { curveServerOptions, partsOf, watchDoor } from "./zeromq-sockets.ts";

export interface PublisherOptions {
  /** `tcp://*:5558`, `tcp://127.0.0.1:0` (any free port), `ipc:///path`. */
  readonly address: string;
  /** Without keys only addresses of this machine are accepted. */
  readonly keys?: ServerKeys;
  readonly log: TransportLog;
  /** How often the number is repeated. Default 2,000. */
  readonly heartbeatMs?: number;
}

export interface Publisher<Messages extends LinkMessages> {
  readonly address: string;
  /**
   * Never blocks and never fails for want of listeners; a slow listener misses messages and sees the gap.
   * Throws for a body that cannot be encoded.
   */
  publish<K extends keyof Messages & string>(type: K, body: BodyOf<Messages, K>): void;
  /** How often what went wrong; as of a `ServerEndpoint`. */
  counters(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** Beyond this the oldest go: in one turn of the event loop nobody sends more that matters. */
const MOST_WAITING = 10_000;
/** Greetings with keys count too. */
const MOST_SUBSCRIPTION_BYTES = 4_096;
/** What a subscription begins with, and its end. */
const SUBSCRIBED = 1;
const UNSUBSCRIBED = 0;
/** An address that could not be taken again after the keys changed is tried again after this. */
const REOPEN_MS = 1_000;

let publisherCounter = 0;

/** @throws EndpointConfigError where the address cannot be bound, or other machines could reach it without keys. */
export async function bindPublisher<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  options: PublisherOptions,
): Promise<Publisher<ToClient>> {
  const address = refuseInner(parseAddress(options.address));
  const keys = serverKeysFor(address, options.keys);
  const limits = limitsOf(options);
  const tally = new Tally(options.log, { link: link.name, address: options.address });
  const { atTheDoor, mayStay } = askKeys(keys, tally);
  /** Who came in since the socket was opened. */
  const inside = new Set<string>();
  const letIn = (key: string): boolean => {
    const isWelcome = atTheDoor(key);
    if (isWelcome) inside.add(key);
    return isWelcome;
  };
  const guard = keys && (await guardDomain(link.name, letIn));
  const repeat = (): void => {
    if (outlet?.isHeard === true) outlet.say(encodePublished({ epoch, sequence, message: null }));
  };
  // Whoever comes hears at once how far the numbers have come.
  const open = (at: ZeromqAddress) => Outlet.open(at, limits, tally, keys, guard, repeat);
  let outlet: Outlet | undefined;
  try {
    outlet = await open(address);
  } catch (error) {
    guard?.release();
    throw error;
  }
  // With the real port: listeners come back to it.
  const bound = outlet.address;
  publisherCounter += 1;
  const epoch = `${ownEpoch}.${publisherCounter}`;
  let sequence = 0;
  let isClosing = false;
  let opening = Promise.resolve();
  let reopenAtMs = 0;

  const beating = setInterval(() => {
    repeat();
  }, limits.heartbeatMs);
  const reopen = async (): Promise<void> => {
    const former = outlet;
    outlet = undefined;
    inside.clear();
    former?.cut();
    try {
      const next = await open(refuseInner(parseAddress(bound)));
      outlet = next;
    } catch (error) {
      tally.count("connection failed", { error });
      reopenAtMs = performance.now() + REOPEN_MS;
    }
  };
  let isOpening = false;
  const look = (): void => {
    const isWanted = outlet === undefined ? performance.now() >= reopenAtMs : hasStranger();
    if (!isWanted || isOpening || isClosing) return;
    isOpening = true;
    opening = reopen().finally(() => {
      isOpening = false;
    });
  };
  const looking = keys && setInterval(look, limits.heartbeatMs / 4);
  const hasStranger = (): boolean => {
    const key = [...inside].find((each) => !mayStay(each));
    if (key !== undefined) tally.count("key not authorised", { publicKey: key });
    return key !== undefined;
  };
  const shut = async (): Promise<void> => {
    clearInterval(beating);
    clearInterval(looking);
    await opening;
    await outlet?.close();
    guard?.release();
  };
  let closed: Promise<void> | undefined;
  return {
    address: bound,
    publish: (type, body) => {
      if (isClosing) return;
      const isHeard = outlet?.isHeard === true;
      const message = { type, body };
      const frame = isHeard && encodePublished({ epoch, sequence: sequence + 1, message });
      // Also where nobody heard it: who listens again afterwards sees the gap.
      sequence += 1;
      if (frame !== false) outlet?.say(frame);
    },
    counters: () => tally.snapshot(),
    close: () => {
      isClosing = true;
      closed ??= shut();
      return closed;
    },
  };
}

/** One life of the socket. */
class Outlet {
  readonly #socket: XPublisher;
  readonly #reader: SocketReader;
  /** Of all connections. */
  #subscriptions = 0;
  readonly #bound: BoundSocket;
  readonly #writer: FrameWriter;
  readonly #waiting: Buffer[] = [];
  readonly #lane: Lane = {
    routingId: undefined,
    expiresAtMs: 0,
    sendable: 0,
    takeFrame: () => this.#waiting.shift(),
  };

  private constructor(socket: XPublisher, bound: BoundSocket, tally: Tally, come: () => void) {
    this.#socket = socket;
    this.#bound = bound;
    this.#reader = new SocketReader(socket, {
      take: ([packet]) => {
        const word = Buffer.isBuffer(packet) ? packet[0] : undefined;
        if (word === SUBSCRIBED) this.#subscriptions += 1;
        if (word === UNSUBSCRIBED) this.#subscriptions = Math.max(0, this.#subscriptions - 1);
        if (word === SUBSCRIBED) come();
      },
      failed: (error) => {
        tally.count("receive failed", { error });
      },
    });
    const out = { send: (parts: readonly Packet[]) => socket.send(parts.flatMap(partsOf)) };
    this.#writer = new FrameWriter(out, {
      unreachable: () => undefined,
      failed: (error) => {
        tally.count("frame not sent", { error });
      },
    });
  }

  static async open(
    address: ZeromqAddress,
    limits: SocketLimits,
    tally: Tally,
    keys: ServerKeys | undefined,
    guard: GuardedDomain | undefined,
    come: () => void,
  ): Promise<Outlet> {
    const socket = new XPublisher({
      ...connectionOptions(limits),
      ...curveServerOptions(keys, guard),
      sendTimeout: 0,
      sendHighWaterMark: 1_000,
      // Listeners say nothing but what they subscribe to, which is everything.
      maxMessageSize: MOST_SUBSCRIPTION_BYTES,
      // Also those that another connection has: each that comes is told how far the numbers are.
      verbosity: "allSubsUnsubs",
    });
    try {
      const bound = await bindSocket(socket, address);
      void watchDoor(socket, tally);
      return new Outlet(socket, bound, tally, come);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  get address(): string {
    return this.#bound.address;
  }

  /** Somebody listens. */
  get isHeard(): boolean {
    return this.#subscriptions > 0;
  }

  say(frame: Buffer): void {
    this.#waiting.push(frame);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.#writer.wake(this.#lane);
  }

  /** What was said is still sent. */
  async close(): Promise<void> {
    this.#bound.unbind();
    await this.#writer.flush(LINGER_MS);
    this.#writer.close();
    this.#socket.close();
    await this.#reader.ended;
  }

  /** Nothing more is sent to anybody. */
  cut(): void {
    this.#bound.unbind();
    this.#writer.close();
    this.#socket.linger = 0;
    this.#socket.close();
  }
}
