/** What other tasks say to Control, beside what monitors ask it over the control link. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { declareProtocol } from "../declare.ts";

export const controlProtocol = declareProtocol({
  name: "control",
  messages: {
    /** Cloud Gazer, after each pass. Told rather than asked for, since it may be busy or paused. */
    FOLLOWING: { body: z.object({ isCaughtUp: z.boolean() }) },
  },
});
export type ToControl = MessagesOfProtocol<typeof controlProtocol>;
