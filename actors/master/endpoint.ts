/**
 * A bound end of a link as an actor: owns the socket, so that its consumer may crash without a single
 * peer reconnecting. Gates are shut until the consumer attaches; it then gets every peer, message and
 * end as messages of its own, in order. After a crash of its own it opens the gates by itself, since the
 * consumer, which lives on, does not attach again: the peers come back as new ones.
 */

import { bindEndpoint, type ServerKeys } from "../../protocol/transport/index.ts";
import {
  type ActorContext,
  type ActorDefinition,
  type ActorRef,
  defineActor,
  type Link,
  type LinkMessages,
  type MessageOf,
  type Peer,
  type PeerEnd,
  Refusal,
  type SendResult,
  type ServerEndpoint,
  toError,
} from "../../supervisor/index.ts";
import type { TaskRefusals } from "./refusals.ts";

/** What the consumer of a link is told. */
export interface PeerMessages<ToServer extends LinkMessages> {
  PEER_OPENED(peer: Peer): void;
  PEER_MESSAGE(body: {
    readonly peer: Peer;
    readonly message: MessageOf<ToServer>;
    readonly reply?: ((outcome: { value: unknown } | { error: string }) => void) | undefined;
  }): void;
  PEER_CLOSED(body: { readonly peer: Peer; readonly end: PeerEnd }): void;
}

export interface EndpointMessages<ToClient extends LinkMessages> {
  /** Binds where nothing is bound yet and replays the peers. Gives the address as bound. */
  ATTACH(): string;
  SEND(body: { readonly peer: Peer; readonly message: MessageOf<ToClient> }): SendResult;
  DROP(body: { readonly peer: Peer; readonly reason: string }): void;
}

/** What outlives an incarnation: made once per endpoint, for nobody but it. */
export interface EndpointMemory {
  /** Since an ATTACH, until an orderly end. */
  isAttached: boolean;
  /** Who is connected now, by id. */
  readonly peers: Map<string, Peer>;
}

export const newEndpointMemory = (): EndpointMemory => ({
  isAttached: false,
  peers: new Map(),
});

export interface EndpointArgs<ToServer extends LinkMessages> {
  readonly address: string;
  readonly keys: ServerKeys | undefined;
  readonly consumer: ActorRef<PeerMessages<ToServer>>;
  readonly heartbeatMs: number;
  /** Frames that may lie unread per peer. */
  readonly receiveHighWaterMark?: number;
  /**
   * Ends the session of a peer that does not read, instead of losing what it is told: its next HELLO settles what
   * each side has. For links where nobody says again what was lost.
   */
  readonly dropsUnread?: boolean;
  readonly memory: EndpointMemory;
  readonly refusals: TaskRefusals;
}

interface OwnMessages<ToClient extends LinkMessages> extends EndpointMessages<ToClient> {
  REBIND(): void;
}

interface State<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly args: EndpointArgs<ToServer>;
  endpoint: ServerEndpoint<ToClient> | undefined;
}

/** Somebody else may have taken the address meanwhile: it is asked for again after this. */
const REBIND_MS = 1_000;

export function defineEndpoint<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
): ActorDefinition<OwnMessages<ToClient>, EndpointArgs<ToServer>> {
  return defineActor<OwnMessages<ToClient>, EndpointArgs<ToServer>, State<ToServer, ToClient>>({
    name: `holds the ${link.name} link`,
    mailbox: { bound: 100_000 },
    init(ctx, args) {
      const { consumer, memory } = args;
      // The connections of a crashed incarnation ended with its socket.
      for (const peer of memory.peers.values())
        consumer.tell("PEER_CLOSED", { peer, end: "closed" });
      memory.peers.clear();
      if (memory.isAttached) ctx.self.tell("REBIND");
      return { args, endpoint: undefined };
    },
    handle: {
      async ATTACH(state, _body, ctx) {
        const { consumer, memory } = state.args;
        if (state.endpoint !== undefined) {
          for (const peer of memory.peers.values()) consumer.tell("PEER_OPENED", peer);
          return state.endpoint.address;
        }
        try {
          state.endpoint = await bind(link, state.args, ctx);
        } catch (error) {
          throw new Refusal(toError(error).message, { code: "not-bound", cause: error });
        }
        memory.isAttached = true;
        return state.endpoint.address;
      },
      async REBIND(state, _body, ctx) {
        if (state.endpoint !== undefined) return;
        try {
          state.endpoint = await bind(link, state.args, ctx);
          ctx.healthy();
        } catch (error) {
          ctx.degraded(`the ${link.name} link is closed: ${toError(error).message}`);
          ctx.log.error({ err: error }, `the ${link.name} link could not be opened again`);
          ctx.after(REBIND_MS, "REBIND");
        }
      },
      SEND(state, { peer, message }, ctx) {
        try {
          const result = state.endpoint?.send(peer, message.type, message.body) ?? "gone";
          if (result === "full" && state.args.dropsUnread === true)
            state.endpoint?.drop(peer, "it does not read what it is told: say HELLO again");
          return result;
        } catch (error) {
          // One body that cannot be sent must not cost every peer its connection.
          ctx.log.error({ err: error, peer, type: message.type }, "a message could not be sent");
          return "gone";
        }
      },
      DROP(state, { peer, reason }) {
        state.endpoint?.drop(peer, reason);
      },
    },
    async stop({ args, endpoint }, reason) {
      // After an orderly end the consumer attaches anew, and finds nothing left of before.
      if (reason.kind !== "error") {
        args.memory.isAttached = false;
        args.memory.peers.clear();
      }
      await endpoint?.close();
    },
  });
}

async function bind<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
  args: EndpointArgs<ToServer>,
  ctx: ActorContext<OwnMessages<ToClient>>,
): Promise<ServerEndpoint<ToClient>> {
  const { consumer, memory } = args;
  // All three wait in one line where the consumer's mailbox is full, so that they come in order.
  const pass = ctx.bind(
    async (
      peer: Peer,
      message: MessageOf<ToServer>,
      reply: ((outcome: { value: unknown } | { error: string }) => void) | undefined,
      taken: () => void,
    ) => {
      const result = await consumer.send("PEER_MESSAGE", { peer, message, reply });
      if (result !== "queued") reply?.({ error: "the master is too busy, ask again" });
      taken();
    },
  );
  const endpoint = await bindEndpoint(link, {
    address: args.address,
    ...(args.keys && { keys: args.keys }),
    ...(args.receiveHighWaterMark !== undefined && {
      receiveHighWaterMark: args.receiveHighWaterMark,
    }),
    heartbeatMs: args.heartbeatMs,
    log: ctx.log,
    handlers: {
      opened: ctx.bind(async (peer: Peer) => {
        memory.peers.set(peer.id, peer);
        await consumer.send("PEER_OPENED", peer);
      }),
      // The peer gets credit for more once this one has found room.
      message: (peer, message, reply) =>
        new Promise((taken) => {
          pass(peer, message, reply, taken);
        }),
      closed: ctx.bind(async (peer: Peer, end: PeerEnd) => {
        memory.peers.delete(peer.id);
        await consumer.send("PEER_CLOSED", { peer, end });
      }),
    },
  });
  args.refusals.watch(() => endpoint.counters());
  ctx.log.info({ address: endpoint.address }, `${link.name} link is open`);
  return endpoint;
}
