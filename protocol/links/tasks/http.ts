/** What is said to the HTTP server: it is asked where it listens. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { declareProtocol } from "../declare.ts";

export const httpProtocol = declareProtocol({
  name: "http",
  messages: {
    /** Where the site is, with a scheme and no slash at the end; null where no server was asked for. */
    ADDRESS: { reply: z.object({ url: z.string().max(1_000).nullable() }) },
  },
});
export type ToHttp = MessagesOfProtocol<typeof httpProtocol>;
