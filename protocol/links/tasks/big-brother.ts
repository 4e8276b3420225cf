/** What is said to Big Brother: slave sessions pass on what slaves say of themselves, Control asks for all of it. */
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { everythingSchema, slaveFiguresSchema } from "../../model/statistics.ts";
import { declareProtocol } from "../declare.ts";

export const bigBrotherProtocol = declareProtocol({
  name: "big-brother",
  messages: {
    /** A slave's figures, with each IDLE and BUSY. The next ones make them old. */
    HOST: { body: slaveFiguresSchema.omit({ heardAt: true }), lossy: true },
    /** Look at the output disk now: whoever was just started must know whether builds may be given out. */
    LOOK: {},
    /** All figures as they are known now. */
    EVERYTHING: { reply: everythingSchema },
  },
});
export type ToBigBrother = MessagesOfProtocol<typeof bigBrotherProtocol>;
