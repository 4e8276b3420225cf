/**
 * What may be said to the actor that the suite of references asks, tells and watches: bodies are data, since
 * some kinds of reference go over a wire. `probe.ts` handles it, in whichever thread or system it lives.
 */
import { z } from "zod";
import { declareProtocol } from "../../../protocol/links/declare.ts";
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";

const text = z.string();
/** Whatever JSON can say; as a type it would have no end. */
const value: z.ZodType<unknown> = z.json();

export const probeProtocol = declareProtocol({
  name: "probe",
  messages: {
    /** Written down, in the order of handling. */
    NOTE: { body: z.union([text, z.number()]) },
    /** The same on the control lane, with the number of COUNTs handled before it. */
    URGENT: { body: z.union([text, z.number()]) },
    /** May be lost on the way. */
    NEWS: { body: z.number(), lossy: true },
    COUNT: {},
    COUNTED: { reply: z.number() },
    ECHO: { body: value, reply: value },
    /** Which incarnation answers. */
    WHO: { reply: z.number() },
    CRASH: { body: text },
    CRASH_LATER: { body: text },
    REFUSE: { body: value },
    /** In hand until the test opens the gate of that name, which is the answer. */
    HOLD: { body: text, reply: text },
    HANG: {},
    /** In hand until its asker gives up. */
    LISTEN: {},
    DEFER: { reply: text },
    /** Answers all that DEFER put off, twice. */
    SETTLE: { body: text },
    EXIT: { body: z.enum(["normal", "shutdown"]) },
    WATCH: { body: text },
    /** Answers what ECHO there answers. */
    ASK: { body: z.object({ to: text, what: value }), reply: value },
  },
});

export type ProbeMessages = MessagesOfProtocol<typeof probeProtocol>;
