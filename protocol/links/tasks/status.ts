/** What is said to the status publisher: what happens, for whoever listens on the status link. */
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { farmEventSchema } from "../../model/status.ts";
import { declareProtocol } from "../declare.ts";

export const statusProtocol = declareProtocol({
  name: "status",
  messages: {
    /** Lossy, as the link that publishes it. */
    EVENT: { body: farmEventSchema, lossy: true },
  },
});
export type ToStatus = MessagesOfProtocol<typeof statusProtocol>;
