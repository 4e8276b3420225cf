/**
 * Connects nodes over any address of this transport: one side opens a door, the others connect to it. The
 * channels of `supervisor/nodes` outlive the connections made here; called by the actors that own those.
 */
import {
  type ClientEndpoint,
  isNodeName,
  type NodeChannel,
  type NodeMessages,
  type Nodes,
  type Peer,
  type ServerEndpoint,
} from "../../supervisor/index.ts";
import { type BindOptions, bindEndpoint } from "./bind-endpoint.ts";
import { type ConnectOptions, connectEndpoint } from "./connect-endpoint.ts";
import { nodeLink } from "./node-link.ts";

export interface NodeDoorOptions extends Omit<BindOptions<NodeMessages>, "handlers"> {
  readonly nodes: Nodes;
  /**
   * The name of the channel to who comes in, from the slot that it said HELLO with; undefined for one that is
   * not let in. Default: the slot.
   */
  nameOf?(slot: string): string | undefined;
}

/** Channels are never forgotten: who invents names must not fill the memory. */
const MOST_NAMES = 1_000;

/**
 * Lets other nodes in. Each is served through the channel of its name; the newest connection of a name counts, and an
 * older one is dropped.
 * @throws EndpointConfigError as `bindEndpoint`.
 */
export async function openNodeDoor(
  options: NodeDoorOptions,
): Promise<ServerEndpoint<NodeMessages>> {
  const { nodes, nameOf = (slot) => slot, ...binding } = options;
  let endpoint: ServerEndpoint<NodeMessages> | undefined;
  /** By the channel's name; a newer connection comes before the older one has ended. */
  const speakers = new Map<string, Peer>();
  const channels = new Map<string, NodeChannel>();
  /** The channel that this peer speaks on now. */
  const channelOf = (peer: Peer): NodeChannel | undefined => {
    const name = nameOf(peer.slot);
    return name !== undefined && speakers.get(name)?.id === peer.id
      ? channels.get(name)
      : undefined;
  };
  const letIn = (peer: Peer): void => {
    const name = nameOf(peer.slot);
    if (name === undefined || !isNodeName(name)) {
      endpoint?.drop(peer, `no node is called ${JSON.stringify(peer.slot)} here`);
      return;
    }
    if (!channels.has(name) && channels.size >= MOST_NAMES) {
      endpoint?.drop(peer, "too many nodes have come in here");
      return;
    }
    const older = speakers.get(name);
    const channel = nodes.channel(name);
    channels.set(name, channel);
    speakers.set(name, peer);
    if (older) endpoint?.drop(older, "a newer connection of the same name has come in");
    channel.up(({ type, body }) => endpoint?.send(peer, type, body) ?? "gone");
  };
  endpoint = await bindEndpoint(nodeLink, {
    ...binding,
    handlers: {
      opened: letIn,
      message: (peer, message) => channelOf(peer)?.received(message),
      closed: (peer, end) => {
        const channel = channelOf(peer);
        if (channel === undefined) return;
        speakers.delete(channel.name);
        channel.down(end);
      },
    },
  });
  return endpoint;
}

export interface NodeConnectionOptions extends Omit<ConnectOptions<NodeMessages>, "handlers"> {
  /** To the node behind the address. */
  readonly channel: NodeChannel;
  /** Told when the other node can be spoken to, and when not. */
  readonly up?: () => void;
  readonly down?: (reason: string) => void;
}

/**
 * Connects to a node's door, and again for ever until closed. `slot` is the name of this node over there.
 * @throws EndpointConfigError as `connectEndpoint`.
 */
export function connectNode(options: NodeConnectionOptions): ClientEndpoint<NodeMessages> {
  const { channel, up, down, ...connection } = options;
  const endpoint: ClientEndpoint<NodeMessages> = connectEndpoint(nodeLink, {
    ...connection,
    handlers: {
      up: () => {
        channel.up(({ type, body }) => endpoint.send(type, body));
        up?.();
      },
      // Thousands a second pass here, so through no mailbox; the channel never throws.
      message: (message) => channel.received(message),
      down: (reason) => {
        channel.down(reason);
        down?.(reason);
      },
    },
  });
  return endpoint;
}
