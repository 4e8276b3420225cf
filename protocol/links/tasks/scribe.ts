/** What is said to the Scribe: which pages to write. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { pageRequestSchema } from "../../model/page.ts";
import { declareProtocol } from "../declare.ts";

const pages = z.array(pageRequestSchema).max(1_000);

export const scribeProtocol = declareProtocol({
  name: "scribe",
  messages: {
    /** Writes pages; gives those that are in place. One that fails is left for the next round. */
    WRITE: { body: z.object({ pages }), reply: pages },
  },
});
export type ToScribe = MessagesOfProtocol<typeof scribeProtocol>;
