/** What is asked of the bound end of a link from other processes of the master: what it turned away. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { countSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";

export const linkProtocol = declareProtocol({
  name: "link",
  messages: {
    /** What was refused, malformed or lost since the process began, by reason. */
    INCIDENTS: { reply: z.record(z.string().max(100), countSchema) },
  },
});
export type ToLink = MessagesOfProtocol<typeof linkProtocol>;
