/** SIGN: has wheels signed that were published without provenance. File Juggler signs; this asks for a step of it. */
import { AskError, Refusal } from "../../../supervisor/index.ts";
import type { Answer } from "./answer.ts";
import { nameOf } from "./rebuild.ts";

/** Wheels of one question: some hundred a second are signed. */
const STEP = 200;
const PATIENCE_MS = 60_000;

export const sign: Answer<"SIGN"> = async (ctx, { database, fileJuggler }, body) => {
  const name = body.package === null ? null : await nameOf(ctx, database, body.package);
  try {
    return await fileJuggler.ask(
      "SIGN",
      { package: name, after: body.after, limit: STEP },
      { timeoutMs: PATIENCE_MS, signal: ctx.signal },
    );
  } catch (error) {
    if (!(error instanceof AskError) || error.code === "aborted") throw error;
    throw new Refusal("the file juggler does not answer now: try again", { code: "failed" });
  }
};
