/**
 * Connects nodes over any address of this transport: one side opens a door, the others connect to it. The
 * channels of `supervisor/nodes` outlive the connections made here; called by the actors that own those.
 */
import type {
  ClientEndpoint,
  NodeChannel,
  NodeMessages,
  Nodes,
  Peer,
  ServerEndpoint,
} from "../../supervisor/index.ts";
import { type BindOptions, bindEndpoint } from "./bind-endpoint.ts";
import { type ConnectOptions, connectEndpoint } from "./connect-endpoint.ts";
import { nodeLink } from "./node-link.ts";

export interface NodeDoorOptions extends Omit<BindOptions<NodeMessages>, "handlers"> {
  readonly nodes: Nodes;
  /** The name of the channel to who comes in, from the slot that it said HELLO with. Default: the slot. */
  nameOf?(slot: string): string;
}

/**
 * Lets other nodes in. Each is served through the channel of its name; the newest connection of a name counts.
 * @throws EndpointConfigError as `bindEndpoint`.
 */
export async function openNodeDoor(
  options: NodeDoorOptions,
): Promise<ServerEndpoint<NodeMessages>> {
  const { nodes, nameOf = (slot) => slot, ...binding } = options;
  let endpoint: ServerEndpoint<NodeMessages> | undefined;
  /** Who speaks on a channel now: a newer connection comes before the older one has ended. */
  const speakers = new Map<string, string>();
  const channelOf = ({ slot }: Peer): NodeChannel => nodes.channel(nameOf(slot));
  endpoint = await bindEndpoint(nodeLink, {
    ...binding,
    handlers: {
      opened: (peer) => {
        const channel = channelOf(peer);
        speakers.set(channel.name, peer.id);
        channel.up(({ type, body }) => endpoint?.send(peer, type, body) ?? "gone");
      },
      message: (peer, message) => {
        const channel = channelOf(peer);
        if (speakers.get(channel.name) === peer.id) channel.received(message);
      },
      closed: (peer, end) => {
        const channel = channelOf(peer);
        if (speakers.get(channel.name) !== peer.id) return;
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
