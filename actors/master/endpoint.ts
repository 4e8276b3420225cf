/**
 * A bound end of a link as an actor: owns the socket, so that its consumer may crash without a single
 * peer reconnecting. Gates are shut until the consumer attaches; it then gets every peer, message and
 * end as messages of its own, in order.
 */

import { bindEndpoint, type ServerKeys } from "../../protocol/transport/index.ts";
import {
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

export interface EndpointArgs<ToServer extends LinkMessages> {
  readonly address: string;
  readonly keys: ServerKeys | undefined;
  readonly consumer: ActorRef<PeerMessages<ToServer>>;
  readonly heartbeatMs: number;
  /** Frames that may lie unread per peer. */
  readonly receiveHighWaterMark?: number;
}

interface State<ToServer extends LinkMessages, ToClient extends LinkMessages> {
  readonly args: EndpointArgs<ToServer>;
  readonly peers: Map<string, Peer>;
  endpoint: ServerEndpoint<ToClient> | undefined;
}

export function defineEndpoint<ToServer extends LinkMessages, ToClient extends LinkMessages>(
  link: Link<ToServer, ToClient>,
): ActorDefinition<EndpointMessages<ToClient>, EndpointArgs<ToServer>> {
  return defineActor<EndpointMessages<ToClient>, EndpointArgs<ToServer>, State<ToServer, ToClient>>(
    {
      name: `holds the ${link.name} link`,
      mailbox: { bound: 100_000 },
      init: (_ctx, args) => ({ args, peers: new Map(), endpoint: undefined }),
      handle: {
        async ATTACH(state, _body, ctx) {
          const { args, peers } = state;
          if (state.endpoint !== undefined) {
            for (const peer of peers.values()) args.consumer.tell("PEER_OPENED", peer);
            return state.endpoint.address;
          }
          try {
            state.endpoint = await bindEndpoint(link, {
              address: args.address,
              ...(args.keys && { keys: args.keys }),
              ...(args.receiveHighWaterMark !== undefined && {
                receiveHighWaterMark: args.receiveHighWaterMark,
              }),
              heartbeatMs: args.heartbeatMs,
              log: ctx.log,
              handlers: {
                opened: ctx.bind((peer: Peer) => {
                  peers.set(peer.id, peer);
                  args.consumer.tell("PEER_OPENED", peer);
                }),
                message: ctx.bind(
                  (
                    peer: Peer,
                    message: MessageOf<ToServer>,
                    reply?: (outcome: { value: unknown } | { error: string }) => void,
                  ) => {
                    const result = args.consumer.tell("PEER_MESSAGE", { peer, message, reply });
                    if (result !== "queued")
                      reply?.({ error: "the master is too busy, ask again" });
                  },
                ),
                closed: ctx.bind((peer: Peer, end: PeerEnd) => {
                  peers.delete(peer.id);
                  args.consumer.tell("PEER_CLOSED", { peer, end });
                }),
              },
            });
          } catch (error) {
            throw new Refusal(toError(error).message, { code: "not-bound", cause: error });
          }
          ctx.log.info({ address: state.endpoint.address }, `${link.name} link is open`);
          return state.endpoint.address;
        },
        SEND(state, { peer, message }) {
          return state.endpoint?.send(peer, message.type, message.body) ?? "gone";
        },
        DROP(state, { peer, reason }) {
          state.endpoint?.drop(peer, reason);
        },
      },
      async stop(state) {
        await state.endpoint?.close();
      },
    },
  );
}
