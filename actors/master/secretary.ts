/**
 * The Secretary: gathers page requests, which lie in the database with a generation, and hands the due
 * ones to the Scribe. Simple pages go at once; others wait to be asked for again, up to the gathering
 * time. What is pending survives any restart, since it is a row until its page is in place.
 */
import { type ActorRef, defineActor } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";
import type { ScribeMessages } from "./scribe.ts";

export interface SecretaryMessages {
  /** Pages were just asked for. */
  HURRY(): void;
  TICK(): void;
}

export interface SecretaryArgs {
  readonly database: DatabaseRef;
  readonly scribe: ActorRef<ScribeMessages>;
  readonly gatherMs: number;
}

interface State {
  readonly args: SecretaryArgs;
  isHurried: boolean;
}

/** Pages a round: bounds the time of one round, and the database asks again for the rest. */
const BATCH = 50;

export const secretary = defineActor<SecretaryMessages, SecretaryArgs, State>({
  name: "gathers page requests",
  pause: "drain",
  // A round waits for the Scribe, and the Scribe may be paused.
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("TICK");
    return { args, isHurried: false };
  },
  handle: {
    HURRY(state, _body, ctx) {
      if (state.isHurried) return;
      state.isHurried = true;
      ctx.self.tell("TICK");
    },
    async TICK(state, _body, ctx) {
      const { database, scribe, gatherMs } = state.args;
      const isTimer = !state.isHurried;
      state.isHurried = false;
      let isMore = false;
      try {
        const pages = await database.ask(
          "duePages",
          { gatherMs, limit: BATCH },
          { timeoutMs: 30_000, signal: ctx.signal },
        );
        if (pages.length > 0) {
          const written = await scribe.ask(
            "WRITE",
            { pages },
            { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal },
          );
          await database.ask("pagesWritten", { pages: written }, { timeoutMs: 30_000 });
          isMore = written.length === BATCH;
        }
        ctx.healthy();
      } catch (error) {
        ctx.degraded(error instanceof Error ? error.message : String(error));
      }
      if (isMore) ctx.self.tell("HURRY");
      if (isTimer) ctx.after(Math.max(50, gatherMs / 20), "TICK");
    },
  },
});
