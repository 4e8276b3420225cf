/**
 * The Secretary: gathers page requests, which lie in the database with a generation, and hands the due
 * ones to the Scribe. Simple pages go at once and before all others; others wait to be asked for again,
 * up to the gathering time. What is pending survives any restart, since it is a row until its page is in
 * place. When nothing is due, a rebuild of all pages goes on by a stretch, half of the time at most.
 */
import type { ToScribe, Writing } from "../../protocol/links/tasks/scribe.ts";
import type { ToSecretary } from "../../protocol/links/tasks/secretary.ts";
import type { PageRequest } from "../../protocol/model/page.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";
import { advanceRebuild } from "./site/rebuild.ts";

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
  /** Kinds of pages of the whole farm that are being written, beside the others. */
  readonly inHand: Set<PageRequest["kind"]>;
  /** Some page could not be written the last time, as far as is known. */
  isFailing: boolean;
  /** The disk has no room: nothing is tried before `restsUntil`. */
  full: { readonly reason: string; readonly pauseMs: number; readonly restsUntil: number } | null;
  rebuildRestsUntil: number;
  tendedAt: number;
}

/** Due pages that are asked for and written at once. A simple page that is asked for meanwhile waits for them. */
const BATCH = 100;
const TEND_EVERY_MS = 60_000;
const FULL_PAUSE_MS = 1_000;
const MAX_FULL_PAUSE_MS = 30_000;

type Ctx = ActorContext<SecretaryMessages>;

export const secretary = defineActor<SecretaryMessages, SecretaryArgs, State>({
  name: "gathers page requests",
  pause: "drain",
  // A round waits for the Scribe, and the Scribe may be paused.
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("TICK");
    return {
      args,
      isHurried: false,
      inHand: new Set(),
      isFailing: true,
      full: null,
      rebuildRestsUntil: 0,
      tendedAt: performance.now(),
    };
  },
  handle: {
    HURRY(state, _body, ctx) {
      if (state.isHurried) return;
      state.isHurried = true;
      ctx.self.tell("TICK");
    },
    async TICK(state, _body, ctx) {
      const { gatherMs } = state.args;
      const isTimer = !state.isHurried;
      state.isHurried = false;
      let isMore = false;
      try {
        if (performance.now() >= (state.full?.restsUntil ?? 0)) {
          isMore = await round(state, ctx);
          if (isTimer) await tend(state, ctx);
          await sayHowItIs(state, ctx);
        }
      } catch (error) {
        if (ctx.signal.aborted) return;
        ctx.degraded(error instanceof Error ? error.message : String(error));
        isMore = false;
      }
      if (isMore) ctx.self.tell("HURRY");
      if (isTimer) ctx.after(Math.max(50, gatherMs / 20), "TICK");
    },
  },
});

const asking = (ctx: Ctx) => ({ timeoutMs: 30_000, signal: ctx.signal });

/** Writes what is due, or a stretch of a rebuild. Returns whether there is more to do at once. */
async function round(state: State, ctx: Ctx): Promise<boolean> {
  const { database, gatherMs } = state.args;
  const due = await database.ask("duePages", { gatherMs, limit: BATCH }, asking(ctx));
  const pages = due.filter(({ kind }) => !isOfFarm(kind));
  const written = await write(state, ctx, pages);
  // After them: the root lists what has a page.
  writeBeside(
    state,
    ctx,
    due.filter(({ kind }) => isOfFarm(kind) && !state.inHand.has(kind)),
  );
  // Without a page written the same would come back at once: it waits for the next tick.
  if (due.length === BATCH && written > 0) return true;
  if (state.full !== null || performance.now() < state.rebuildRestsUntil) return false;
  const startedAt = performance.now();
  const isAdvanced = await advanceRebuild(database, ctx.signal, async (some) => {
    const result = await ask(state, ctx, some);
    await noteFailures(state, ctx, result);
    return result.full === null;
  });
  if (!isAdvanced) return false;
  const tookMs = performance.now() - startedAt;
  state.rebuildRestsUntil = performance.now() + tookMs;
  ctx.after(Math.ceil(tookMs), "HURRY");
  return false;
}

const isOfFarm = (kind: PageRequest["kind"]): boolean => kind !== "simple" && kind !== "project";

/** Has pages written and crosses off those that are in place. Returns how many. */
async function write(state: State, ctx: Ctx, pages: readonly PageRequest[]): Promise<number> {
  if (pages.length === 0) return 0;
  const result = await ask(state, ctx, pages);
  if (result.written.length > 0)
    await state.args.database.ask("pagesWritten", { pages: result.written }, asking(ctx));
  await noteFailures(state, ctx, result);
  return result.written.length + result.failed.length;
}

/** Pages of the whole farm take their time: those of packages do not wait for them. */
function writeBeside(state: State, ctx: Ctx, pages: readonly PageRequest[]): void {
  for (const page of pages) {
    state.inHand.add(page.kind);
    ctx.run(async () => {
      try {
        await write(state, ctx, [page]);
      } catch (error) {
        // It is still owed.
        if (!ctx.signal.aborted) ctx.log.warn({ err: error, page: page.kind }, "not crossed off");
      } finally {
        state.inHand.delete(page.kind);
      }
    });
  }
}

async function ask(state: State, ctx: Ctx, pages: readonly PageRequest[]): Promise<Writing> {
  const result = await state.args.scribe.ask(
    "WRITE",
    { pages },
    { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal },
  );
  if (result.full === null) {
    if (result.written.length > 0) state.full = null;
  } else {
    const pauseMs = Math.min(MAX_FULL_PAUSE_MS, (state.full?.pauseMs ?? FULL_PAUSE_MS / 2) * 2);
    const restsUntil = performance.now() + pauseMs;
    state.full = { reason: result.full, pauseMs, restsUntil };
    ctx.after(pauseMs, "HURRY");
  }
  return result;
}

async function noteFailures(state: State, ctx: Ctx, { failed }: Writing): Promise<void> {
  if (failed.length === 0) return;
  state.isFailing = true;
  await state.args.database.ask("pagesFailed", { failures: failed }, asking(ctx));
}

/** What the passing of time changes on pages. */
async function tend(state: State, ctx: Ctx): Promise<void> {
  if (performance.now() - state.tendedAt < TEND_EVERY_MS) return;
  state.tendedAt = performance.now();
  if (await state.args.database.ask("tendPages", null, asking(ctx))) ctx.self.tell("HURRY");
}

async function sayHowItIs(state: State, ctx: Ctx): Promise<void> {
  if (state.full !== null) {
    ctx.degraded(`${state.full.reason}: pages wait until there is some`);
    return;
  }
  const failing = state.isFailing
    ? await state.args.database.ask("failingPages", null, asking(ctx))
    : null;
  state.isFailing = failing !== null;
  if (failing === null) {
    ctx.healthy();
    return;
  }
  const { count, kind, key, attempts, reason } = failing;
  ctx.degraded(
    `${count === 1 ? "1 page" : `${count} pages`} could not be written; ${`${kind} ${key}`.trim()} ` +
      `(${attempts === 1 ? "1 attempt" : `${attempts} attempts`}): ${reason}`,
  );
}
