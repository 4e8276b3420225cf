/** What is said to the Secretary: that there are pages to write. */
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { declareProtocol } from "../declare.ts";

export const secretaryProtocol = declareProtocol({
  name: "secretary",
  messages: {
    /** Pages were just asked for. A hint: without it they are found a little later. */
    HURRY: {},
  },
});
export type ToSecretary = MessagesOfProtocol<typeof secretaryProtocol>;
