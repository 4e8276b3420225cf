/** What is said to the Slave Driver by other tasks; its sessions are of its own branch, and say more. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { countSchema } from "../../model/scalar.ts";
import { declareProtocol } from "../declare.ts";
import { targetIdsSchema } from "./target-ids.ts";

export const slaveDriverProtocol = declareProtocol({
  name: "slave-driver",
  messages: {
    /** Something may be ready for these targets; for all of them when the list is empty. */
    WAKE: { body: z.object({ targetIds: targetIdsSchema }) },
    /** Slaves that are here now and whose targets are recorded. */
    COUNT: { reply: countSchema },
  },
});
export type ToSlaveDriver = MessagesOfProtocol<typeof slaveDriverProtocol>;
