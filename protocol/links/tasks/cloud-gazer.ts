/** What is said to Cloud Gazer: that it has something to look for. */
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { declareProtocol } from "../declare.ts";

export const cloudGazerProtocol = declareProtocol({
  name: "cloud-gazer",
  messages: {
    /** Look now: the wanted set has changed. */
    LOOK: {},
  },
});
export type ToCloudGazer = MessagesOfProtocol<typeof cloudGazerProtocol>;
