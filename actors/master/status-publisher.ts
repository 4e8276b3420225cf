/** The status publisher: says what happens to whoever listens on the status link. Keeps nothing. */
import {
  type StatusMessages as StatusLinkMessages,
  statusLink,
} from "../../protocol/links/status.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import { bindPublisher, type Publisher } from "../../protocol/transport/index.ts";
import { defineActor } from "../../supervisor/index.ts";

export type StatusMessages = ToStatus;

export const statusPublisher = defineActor<
  StatusMessages,
  { readonly address: string },
  Publisher<StatusLinkMessages>
>({
  name: "publishes what happens",
  // News that nobody took in time are old news.
  mailbox: { bound: 10_000, overflow: "drop-oldest" },
  init: (ctx, { address }) => bindPublisher(statusLink, { address, log: ctx.log }),
  handle: {
    EVENT(publisher, event) {
      publisher.publish("EVENT", event);
    },
  },
  stop: (publisher) => publisher.close(),
});
