/**
 * The Secretary: gathers page requests, which lie in the database with a generation, and hands the due
 * ones to the Scribe. Simple pages go at once and before all others; others wait to be asked for again,
 * up to the gathering time. What is pending survives any restart, since it is a row until its page is in
 * place.
 */
import type { ToScribe } from "../../protocol/links/tasks/scribe.ts";
import type { ToSecretary } from "../../protocol/links/tasks/secretary.ts";
import type { PageRequest } from "../../protocol/model/page.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";

export interface SecretaryMessages extends ToSecretary {
  TICK(): void;
}

export interface SecretaryArgs {
  readonly database: DatabaseRef;
  readonly scribe: ActorRef<ToScribe>;
  readonly gatherMs: number;
}

interface State {
  readonly args: SecretaryArgs;
  isHurried: boolean;
}

/** Due pages that are asked for at once: what is left over is asked for again. */
const BATCH = 50;
/** Pages other than simple ones that are written before new simple ones are looked for. */
const OTHERS_A_ROUND = 10;

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
      const { database, gatherMs } = state.args;
      const isTimer = !state.isHurried;
      state.isHurried = false;
      let isMore = false;
      try {
        const pages = await database.ask(
          "duePages",
          { gatherMs, limit: BATCH },
          { timeoutMs: 30_000, signal: ctx.signal },
        );
        const simple = pages.filter((page) => page.kind === "simple");
        const others = pages.filter((page) => page.kind !== "simple");
        let written = await write(state, ctx, simple);
        written += await write(state, ctx, others.slice(0, OTHERS_A_ROUND));
        // Without a page written the same would come back at once: it waits for the next tick.
        isMore = written > 0 && (pages.length === BATCH || others.length > OTHERS_A_ROUND);
        ctx.healthy();
      } catch (error) {
        ctx.degraded(error instanceof Error ? error.message : String(error));
      }
      if (isMore) ctx.self.tell("HURRY");
      if (isTimer) ctx.after(Math.max(50, gatherMs / 20), "TICK");
    },
  },
});

/** Has pages written and crosses off those that are in place. Returns how many. */
async function write(
  { args }: State,
  ctx: ActorContext<SecretaryMessages>,
  pages: readonly PageRequest[],
): Promise<number> {
  if (pages.length === 0) return 0;
  const written = await args.scribe.ask(
    "WRITE",
    { pages },
    { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal },
  );
  await args.database.ask("pagesWritten", { pages: written }, { timeoutMs: 30_000 });
  return written.length;
}
