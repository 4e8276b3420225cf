/** The import link (`--import-queue`): what the command line tools ask of Mr. Chase. Local, no keys. */
import { z } from "zod";
import { declareLink, type MessagesOf } from "./declare.ts";

const toServer = {
  /** Adds requirements (PEP 508) to the wanted set; all of them or, with an error, none. */
  WANT: {
    body: z.object({
      requirements: z.array(z.string().max(2_000)).min(1).max(100_000),
      /** What their releases need at run time, or to be built, is wanted too. */
      withDeps: z.boolean(),
      withBuildDeps: z.boolean(),
    }),
    reply: z.object({ added: z.number(), known: z.number() }),
  },
};
const toClient = {};

export const importLink = declareLink({ name: "import", version: 1, toServer, toClient });
export type ImportQuestions = MessagesOf<typeof toServer>;
export type ImportAnswers = MessagesOf<typeof toClient>;
