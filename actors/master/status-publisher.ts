/** The status publisher: says what happens to whoever listens on the status link. Keeps nothing. */
import {
  type StatusMessages as StatusLinkMessages,
  statusLink,
} from "../../protocol/links/status.ts";
import type { FarmEvent } from "../../protocol/model/status.ts";
import { bindPublisher, type Publisher } from "../../protocol/transport/index.ts";
import { defineActor } from "../../supervisor/index.ts";

export interface StatusMessages {
  EVENT(event: FarmEvent): void;
}

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
