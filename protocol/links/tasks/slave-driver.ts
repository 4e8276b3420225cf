/** What is said to the Slave Driver by other tasks; its sessions are of its own branch, and say more. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { countSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";
import { newWorkSchema } from "./target-ids.ts";

export const slaveDriverProtocol = declareProtocol({
  name: "slave-driver",
  messages: {
    /** So many builds are ready for these targets; any may be when the list is empty. */
    WAKE: { body: z.object({ work: z.array(newWorkSchema.omit({ first: true })).max(1_000) }) },
    /** Slaves that are here now and whose targets are recorded. */
    COUNT: { reply: countSchema },
  },
});
export type ToSlaveDriver = MessagesOfProtocol<typeof slaveDriverProtocol>;
