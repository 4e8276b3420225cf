/**
 * The door of one part of the master: where the other processes of a split master (`--tasks`) reach its tasks.
 * Owns the bound end of the node link; who comes in is served through a channel of the runtime's nodes.
 */
import { openNodeDoor, type ServerKeys } from "../../protocol/transport/index.ts";
import {
  defineActor,
  type NodeMessages,
  type Nodes,
  type ServerEndpoint,
} from "../../supervisor/index.ts";

export interface PartDoorArgs {
  readonly part: string;
  readonly address: string;
  /** Undefined: loopback and ipc only. */
  readonly keys: ServerKeys | undefined;
  readonly nodes: Nodes;
  /** Whether a process of a master can be called so. */
  isProcessName(name: string): boolean;
  readonly heartbeatMs: number;
}

/** Nobody tells it anything: it lives by its socket. */
type NoMessages = Readonly<Record<never, never>>;

export const partDoor = defineActor<NoMessages, PartDoorArgs, ServerEndpoint<NodeMessages>>({
  name: "lets other parts of the master in",
  async init(ctx, { part, address, keys, nodes, isProcessName, heartbeatMs }) {
    const endpoint = await openNodeDoor({
      nodes,
      // A process may come in by several doors; each is a connection of its own.
      nameOf: (slot) => (isProcessName(slot) ? `${slot}.${part}` : undefined),
      address,
      ...(keys && { keys }),
      heartbeatMs,
      log: ctx.log,
    });
    ctx.log.info({ address: endpoint.address }, `${part} can be reached`);
    return endpoint;
  },
  handle: {},
  stop: (endpoint) => endpoint.close(),
});
