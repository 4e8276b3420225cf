/**
 * The connection between the two nodes of a remote kind, over any address of the transport: the callee's door and
 * the caller's way to it, each of which a test can close and open again.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type ClientKeys,
  connectEndpoint,
  connectNode,
  openNodeDoor,
  type ServerKeys,
} from "../../../protocol/transport/index.ts";
import { nodeLink } from "../../../protocol/transport/node-link.ts";
import {
  type ClientEndpoint,
  type ClientHandlers,
  silentLogger as log,
  type NodeChannel,
  type NodeMessages,
  type Nodes,
  type ServerEndpoint,
} from "../../../supervisor/index.ts";

export interface WireOptions {
  readonly address: string;
  readonly keys?: { readonly server: ServerKeys; readonly client: ClientKeys };
  readonly heartbeatMs?: number;
}

export class NodeWire {
  readonly #options: WireOptions;
  #address: string;
  #server: ServerEndpoint<NodeMessages> | undefined;
  #client: ClientEndpoint<NodeMessages> | undefined;

  constructor(options: WireOptions) {
    this.#options = options;
    this.#address = options.address;
  }

  /** The side of the callee. Again after `unbind`: at the same address. */
  async bind(nodes: Nodes): Promise<void> {
    const { keys, heartbeatMs = 5_000 } = this.#options;
    for (let attempt = 1; this.#server === undefined; attempt += 1) {
      try {
        this.#server = await openNodeDoor({
          nodes,
          address: this.#address,
          ...(keys && { keys: keys.server }),
          heartbeatMs,
          log,
        });
      } catch (error) {
        // The port of the door before is free a moment after its close.
        if (attempt === 100) throw error;
        await delay(10);
      }
    }
    this.#address = this.#server.address;
  }

  async unbind(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  /** The side of the caller, named `a` over there; goes on trying until `disconnect`. */
  connect(channel: NodeChannel): void {
    const { keys, heartbeatMs = 5_000 } = this.#options;
    this.#client = connectNode({
      channel,
      address: this.#address,
      ...(keys && { keys: keys.client }),
      slot: "a",
      heartbeatMs,
      retryMs: { min: 5, max: 50 },
      log,
    });
  }

  /** A peer that comes in as the node `slot` and says what it likes. */
  dial(slot: string, handlers: ClientHandlers<NodeMessages>): ClientEndpoint<NodeMessages> {
    const { keys, heartbeatMs = 5_000 } = this.#options;
    const own = { address: this.#address, ...(keys && { keys: keys.client }), slot, heartbeatMs };
    return connectEndpoint(nodeLink, { ...own, handlers, log });
  }

  async disconnect(channel: NodeChannel): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    channel.down("the test disconnects");
    await client?.close();
  }

  /** What the transport dropped, refused or lost, at both ends. */
  counters(): Readonly<Record<string, number>> {
    const sum: Record<string, number> = {};
    for (const end of [this.#server, this.#client]) {
      for (const [what, count] of Object.entries(end?.counters() ?? {})) {
        sum[what] = (sum[what] ?? 0) + count;
      }
    }
    return sum;
  }
}
