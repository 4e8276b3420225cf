/**
 * Frame sockets over ZeroMQ: a ROUTER for `bindEndpoint`, a DEALER for each attempt of a client. Turns
 * ZeroMQ's events into those of a line, and counts who was turned away at the door.
 */
import { Dealer, type Event, Router, type SocketOptions } from "zeromq";
import { resolveToConnect, type Target, type ZeromqAddress } from "./address.ts";
import { bindSocket } from "./bind-socket.ts";
import { BulkyFrame } from "./bulky-frame.ts";
import { FrameReference, type Packet } from "./frame.ts";
import type { BoundFrameSocket, FindServer, FrameSocket, LineEvents } from "./frame-socket.ts";
import type { KeyPair } from "./key-pair.ts";
import { type SocketLimits, socketOptions } from "./socket-options.ts";
import type { Tally } from "./tally.ts";
import { type GuardedDomain, guardDomain } from "./zap-handler.ts";

export interface ClientKeys {
  readonly own: KeyPair;
  /** Z85. Another server than the one with this key is not spoken to. */
  readonly serverPublicKey: string;
}

export interface RouterGuard {
  readonly secret: KeyPair;
  /** Asked for each connection. Must not throw. */
  isAuthorised(publicKeyZ85: string): boolean;
}

/** @throws EndpointConfigError where the address cannot be bound. */
export async function bindRouter(
  name: string,
  address: ZeromqAddress,
  limits: SocketLimits,
  tally: Tally,
  keys: RouterGuard | undefined,
): Promise<BoundFrameSocket> {
  const guard = keys && (await guardDomain(name, (key) => keys.isAuthorised(key)));
  const socket = new Router(routerOptions(limits, keys, guard));
  try {
    const bound = await bindSocket(socket, address);
    void watchDoor(socket, tally);
    return {
      socket: frameSocket(socket, 1),
      address: bound.address,
      unbind: () => {
        bound.unbind();
      },
      release: () => guard?.release(),
    };
  } catch (error) {
    socket.close();
    guard?.release();
    throw error;
  }
}

/** ZeroMQ tries again within `reconnectMs` while nobody listens there; a name is looked up anew for each dealer. */
export function findZeromqServer(
  address: ZeromqAddress,
  limits: SocketLimits,
  keys: ClientKeys | undefined,
  reconnectMs: { readonly min: number; readonly max: number },
): FindServer {
  return async (attempt) => {
    const target = await resolveToConnect(address, attempt);
    return (routingId, events) => dial(target, routingId, events, limits, keys, reconnectMs);
  };
}

function dial(
  target: Target,
  routingId: string,
  events: LineEvents,
  limits: SocketLimits,
  keys: ClientKeys | undefined,
  reconnectMs: { readonly min: number; readonly max: number },
): FrameSocket {
  const minMs = reconnectMs.min * (1 + Math.random());
  const plain: SocketOptions<Dealer> = {
    ...socketOptions(limits),
    routingId,
    ipv6: target.ipv6,
    reconnectInterval: Math.round(minMs),
    reconnectMaxInterval: Math.round(Math.max(minMs, reconnectMs.max)),
  };
  const socket = new Dealer({ ...plain, ...curveClientOptions(keys) });
  void watchLine(socket, events, keys !== undefined);
  socket.connect(target.endpoint);
  return frameSocket(socket, 0);
}

/** `handover` stays off: a second connection with a living routing id is ignored. */
function routerOptions(
  limits: SocketLimits,
  keys: RouterGuard | undefined,
  guard: GuardedDomain | undefined,
): SocketOptions<Router> {
  // A backlog for all the clients of a server that was restarted.
  const plain = { ...socketOptions(limits), mandatory: true, backlog: 1_024 };
  return { ...plain, ...curveServerOptions(keys, guard) };
}

/** Also of a publisher. None without keys. */
export function curveServerOptions(
  keys: RouterGuard | undefined,
  guard: GuardedDomain | undefined,
) {
  if (keys === undefined || guard === undefined) return {};
  return {
    ...guard.options,
    curveServer: true,
    curvePublicKey: keys.secret.publicKey,
    curveSecretKey: keys.secret.secretKey,
  };
}

/** Also of a subscriber. None without keys. */
export function curveClientOptions(keys: ClientKeys | undefined) {
  if (keys === undefined) return {};
  return {
    curvePublicKey: keys.own.publicKey,
    curveSecretKey: keys.own.secretKey,
    curveServerKey: keys.serverPublicKey,
  };
}

/** `before`: parts that come before a frame's. */
function frameSocket(socket: Router | Dealer, before: number): FrameSocket {
  return {
    get closed() {
      return socket.closed;
    },
    send: (parts) => socket.send(parts.flatMap(partsOf)),
    receive: async () => joinBulk(await socket.receive(), before),
    close: (how) => {
      if (socket.closed) return;
      if (how === "at once") socket.linger = 0;
      socket.close();
    },
  };
}

/** Also for other sockets that a writer of frames serves. */
export function partsOf(part: Packet): Uint8Array[] {
  if (part instanceof FrameReference) throw new TypeError("a reference cannot leave the process");
  return part instanceof BulkyFrame ? [part.head, part.bulk] : [part];
}

/** A frame in more parts than that is nobody's: it stays as it is, and is refused for its number of parts. */
function joinBulk(parts: Buffer[], before: number): readonly Packet[] {
  const head = parts[before];
  const bulk = parts[before + 1];
  if (parts.length !== before + 2 || head === undefined || bulk === undefined) return parts;
  return [...parts.slice(0, before), new BulkyFrame(head, bulk)];
}

/** Counts the connections that never came through the door: wrong keys, no keys, no ZeroMQ. */
export async function watchDoor(
  socket: Pick<Router, "closed" | "events">,
  tally: Tally,
): Promise<void> {
  try {
    for await (const event of socket.events) {
      if (
        event.type === "handshake:error:auth" ||
        event.type === "handshake:error:protocol" ||
        event.type === "handshake:error:other"
      ) {
        tally.count("handshake failed", { address: event.address, reason: event.error.message });
      }
    }
  } catch (error) {
    if (!socket.closed) tally.count("receive failed", { error });
  }
}

async function watchLine(socket: Dealer, events: LineEvents, hasKeys: boolean): Promise<void> {
  try {
    for await (const event of socket.events) tell(event, events, hasKeys);
  } catch (error) {
    if (!socket.closed) events.failed(error);
  }
}

function tell(event: Event, events: LineEvents, hasKeys: boolean): void {
  switch (event.type) {
    case "handshake":
      events.connected();
      return;
    case "disconnect":
      events.broken();
      return;
    case "handshake:error:auth":
      events.turnedAway("refused: the server does not know this key", true);
      return;
    case "handshake:error:protocol":
      events.turnedAway(
        `refused: ${hasKeys ? "the server uses no keys, or other ones" : "the server asks for keys"} (${event.error.message})`,
        true,
      );
      return;
    case "handshake:error:other":
      events.turnedAway(
        hasKeys
          ? "refused: the hand-shake failed; is this the server's public key?"
          : "disconnected",
        hasKeys,
      );
      return;
    case "accept":
    case "accept:error":
    case "bind":
    case "bind:error":
    case "connect":
    case "connect:delay":
    case "connect:retry":
    case "close":
    case "close:error":
    case "end":
    case "unknown":
  }
}
