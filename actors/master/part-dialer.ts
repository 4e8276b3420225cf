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
  LOOK(): void;
}

interface State {
  readonly part: string;
  readonly channel: NodeChannel;
  readonly endpoint: ClientEndpoint<NodeMessages>;
  /** Of the last connection that ended. */
  lastReason: string;
}

/** How often the tree learns whether the part is there. */
const LOOK_MS = 500;

export const partDialer = defineActor<Messages, PartDialerArgs, State>({
  name: "speaks to another part of the master",
  init(ctx, { part, address, keys, channel, slot, heartbeatMs }) {
    const endpoint = connectNode({
      channel,
      address,
      ...(keys && { keys }),
      slot,
      heartbeatMs,
      retryMs: { min: 50, max: Math.max(1_000, heartbeatMs) },
      log: ctx.log,
      down: (reason) => {
        state.lastReason = reason;
      },
    });
    const state: State = { part, channel, endpoint, lastReason: "not reached yet" };
    ctx.self.tell("LOOK");
    ctx.every(LOOK_MS, "LOOK");
    return state;
  },
  handle: {
    LOOK({ part, channel, lastReason }, _body, ctx) {
      if (channel.state === "up") ctx.healthy();
      else ctx.degraded(`${part} is away: ${channel.refusal ?? lastReason}`);
    },
  },
  async stop({ channel, endpoint }) {
    channel.down("this end stops");
    await endpoint.close();
  },
});
