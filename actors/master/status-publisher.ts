/** The status publisher: says what happens to whoever listens on the status link. Keeps nothing. */
import {
  type StatusMessages as StatusLinkMessages,
  statusLink,
} from "../../protocol/links/status.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import { bindPublisher, type Publisher, type ServerKeys } from "../../protocol/transport/index.ts";
import { defineActor } from "../../supervisor/index.ts";
import type { TaskRefusals } from "./refusals.ts";

export type StatusMessages = ToStatus;

export interface StatusArgs {
  readonly address: string;
  /** Who may listen; undefined: whoever reaches the address, which is of this machine. */
  readonly keys: ServerKeys | undefined;
  readonly heartbeatMs: number;
  readonly refusals: TaskRefusals;
}

export const statusPublisher = defineActor<
  StatusMessages,
  StatusArgs,
  Publisher<StatusLinkMessages>
>({
  name: "publishes what happens",
  // News that nobody took in time are old news.
  mailbox: { bound: 10_000, overflow: "drop-oldest" },
  async init(ctx, { address, keys, heartbeatMs, refusals }) {
    const publisher = await bindPublisher(statusLink, {
      address,
      ...(keys && { keys }),
      heartbeatMs,
      log: ctx.log,
    });
    refusals.watch(() => publisher.counters());
    return publisher;
  },
  handle: {
    EVENT(publisher, event) {
      publisher.publish("EVENT", event);
    },
  },
  stop: (publisher) => publisher.close(),
});
