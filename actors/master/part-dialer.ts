/**
 * The connection to one part of the master that another process runs (`--tasks`). The channel that it feeds
 * outlives it: a crash here loses no message.
 */
import { type ClientKeys, connectNode } from "../../protocol/transport/index.ts";
import {
  type ClientEndpoint,
  defineActor,
  type NodeChannel,
  type NodeMessages,
} from "../../supervisor/index.ts";

export interface PartDialerArgs {
  readonly part: string;
  readonly address: string;
  readonly keys: ClientKeys | undefined;
  /** To the part; refs to its tasks speak through it. */
  readonly channel: NodeChannel;
  /** The name of this process for the other one: one of each name at a time. */
  readonly slot: string;
  readonly heartbeatMs: number;
}

interface Messages {
  UP(): void;
  DOWN(reason: string): void;
}

interface State {
  readonly channel: NodeChannel;
  readonly endpoint: ClientEndpoint<NodeMessages>;
}

export const partDialer = defineActor<Messages, PartDialerArgs, State>({
  name: "speaks to another part of the master",
  init(ctx, { part, address, keys, channel, slot, heartbeatMs }) {
    ctx.degraded(`${part} is away: not reached yet`);
    const endpoint = connectNode({
      channel,
      address,
      ...(keys && { keys }),
      slot,
      heartbeatMs,
      retryMs: { min: 50, max: Math.max(1_000, heartbeatMs) },
      log: ctx.log,
      up: () => ctx.self.tell("UP"),
      down: (reason) => ctx.self.tell("DOWN", `${part} is away: ${reason}`),
    });
    return { channel, endpoint };
  },
  handle: {
    UP: (_state, _body, ctx) => ctx.healthy(),
    DOWN: (_state, reason, ctx) => ctx.degraded(reason),
  },
  async stop({ channel, endpoint }) {
    channel.down("this end stops");
    await endpoint.close();
  },
});
