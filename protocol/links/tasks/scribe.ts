/** What is said to the Scribe: which pages to write. */
import { z } from "zod";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import type { Immutable } from "../../model/immutable.ts";
import { pageRequestSchema } from "../../model/page.ts";
import { declareProtocol } from "../declare.ts";

const pages = z.array(pageRequestSchema).max(1_000);

export const writingSchema = z.object({
  /** These are in place. */
  written: pages,
  /** These could not be written, each for a reason of its own, in one line. */
  failed: z.array(z.object({ page: pageRequestSchema, reason: z.string().max(2_000) })).max(1_000),
  /** Why the rest was not tried: the disk has no room. Null: all were. */
  full: z.string().nullable(),
});
export type Writing = Immutable<z.infer<typeof writingSchema>>;

export const scribeProtocol = declareProtocol({
  name: "scribe",
  messages: {
    /** Writes pages, simple ones before the others. Of one page at a time only: the later view is to win. */
    WRITE: { body: z.object({ pages }), reply: writingSchema },
  },
});
export type ToScribe = MessagesOfProtocol<typeof scribeProtocol>;
