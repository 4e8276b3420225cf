/**
 * Herald: tells an operator's commands and webhooks what happened. The database keeps what is owed to each hook, so
 * a restart loses nothing; a receiver may hear of an event twice, and knows it by its id. Each hook has one try at
 * a time, so that one which hangs holds up no other.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { HookDelivery } from "../../protocol/model/hook.ts";
import { type ActorContext, defineActor, Refusal } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { Attempt } from "./hooks/attempt.ts";
import type { HookMeters } from "./metrics/meters.ts";

export type Deliver = (delivery: HookDelivery, signal: AbortSignal) => Promise<Attempt>;

export interface Hook {
  readonly name: string;
  readonly events: readonly string[];
  readonly match: readonly string[];
  /** What it does, as a text: another one makes it another hook. */
  readonly action: string;
  readonly deliver: Deliver;
}

export interface HeraldArgs {
  readonly database: DatabaseRef;
  readonly hooks: readonly Hook[];
  readonly lookMs: number;
  /** Before the second try, in ms; it doubles with each. */
  readonly retryMs: number;
  readonly meters: HookMeters;
}

interface HeraldMessages {
  LOOK(): void;
  TRIM(): void;
  ENDED(body: { readonly hook: string; readonly trouble: string | null }): void;
}

interface State {
  readonly args: HeraldArgs;
  readonly busy: Set<string>;
  /** By hook: what went wrong last. */
  readonly troubles: Map<string, string>;
  areSet: boolean;
}

const MAX_TRIES = 12;
const MAX_DELAY_MS = 3_600_000;
/** Of one hook: the oldest go beyond it. */
const MAX_OWED = 10_000;
const TRIM_MS = 60_000;

export const herald = defineActor<HeraldMessages, HeraldArgs, State>({
  name: "tells hooks what happens",
  pause: "park",
  handlerTimeoutMs: 0,
  init(ctx, args) {
    ctx.self.tell("LOOK");
    if (args.hooks.length > 0) ctx.self.tell("TRIM");
    return { args, busy: new Set(), troubles: new Map(), areSet: false };
  },
  handle: {
    async LOOK(state, _body, ctx) {
      const { database, hooks, lookMs } = state.args;
      try {
        if (!state.areSet) {
          await askUntilDone(ctx, database, "setHooks", {
            hooks: hooks.map(({ name, events, match, action }) => ({
              ...{ name, events, action },
              patterns: match.map(patternOf),
            })),
          });
          state.areSet = true;
        }
        if (hooks.length === 0) return;
        const busy = [...state.busy];
        const due = await askUntilDone(ctx, database, "dueDeliveries", { busy });
        for (const delivery of due) begin(state, ctx, delivery);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        ctx.log.error({ err: error }, "what hooks are owed cannot be read");
      }
      ctx.after(lookMs, "LOOK");
    },
    async TRIM(state, _body, ctx) {
      ctx.after(TRIM_MS, "TRIM");
      const args = { keep: MAX_OWED };
      const { dropped, disabled } = await askUntilDone(
        ctx,
        state.args.database,
        "trimDeliveries",
        args,
      );
      for (const { hook, count } of dropped)
        ctx.log.warn(
          { hook, events: count },
          "a hook is too far behind: its oldest events are dropped",
        );
      for (const { hook, reason } of disabled) state.troubles.set(hook, `disabled, ${reason}`);
      tellHealth(state, ctx);
    },
    ENDED(state, { hook, trouble }, ctx) {
      state.busy.delete(hook);
      if (trouble === null) state.troubles.delete(hook);
      else state.troubles.set(hook, trouble);
      tellHealth(state, ctx);
    },
  },
});

type Context = ActorContext<HeraldMessages>;

function tellHealth({ troubles }: State, ctx: Context): void {
  const [first] = troubles;
  if (first === undefined) ctx.healthy();
  else ctx.degraded(`hook ${first[0]}: ${first[1]}`);
}

function begin(state: State, ctx: Context, delivery: HookDelivery): void {
  const { args, busy } = state;
  const hook = args.hooks.find(({ name }) => name === delivery.hook);
  if (hook === undefined || busy.has(hook.name)) return;
  busy.add(hook.name);
  ctx.run(async (signal) => {
    let trouble: string | null = null;
    try {
      trouble = await deliverAll(args, hook, delivery, ctx, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      trouble = error instanceof Error ? error.message : String(error);
      ctx.log.error({ err: error, hook: hook.name }, "an event could not be told");
      // The database would not have it: not again at once.
      await delay(args.retryMs, undefined, { signal });
    }
    ctx.self.tell("ENDED", { hook: hook.name, trouble });
  });
}

/** One after the other while all goes well: a hook with much to hear does not wait for the next look each time. */
async function deliverAll(
  { database, hooks, retryMs, meters }: HeraldArgs,
  hook: Hook,
  first: HookDelivery,
  ctx: Context,
  signal: AbortSignal,
): Promise<string | null> {
  const others = hooks.filter(({ name }) => name !== hook.name).map(({ name }) => name);
  for (let next: HookDelivery | undefined = first; next !== undefined; ) {
    const { id, event, tries } = next;
    const attempt = await hook.deliver(next, signal);
    if (attempt.kind === "gone") {
      ctx.log.warn(
        { hook: hook.name, reason: attempt.reason },
        "the hook is disabled: change it to enable it",
      );
      await askUntilDone(ctx, database, "disableHook", { hook: hook.name, reason: attempt.reason });
      return `disabled, ${attempt.reason}`;
    }
    if (attempt.kind === "failed") {
      const { reason } = attempt;
      const isLast = tries + 1 >= MAX_TRIES;
      ctx.log.warn(
        { hook: hook.name, event, tries: tries + 1, reason },
        isLast ? "an event is given up" : "an event could not be told; trying again",
      );
      meters.ended(hook.name, isLast ? "given up" : "failed");
      if (isLast) await askUntilDone(ctx, database, "endDelivery", { id });
      else {
        const grownMs = Math.min(retryMs * 2 ** tries, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
        const delayMs = Math.max(attempt.afterMs ?? 0, grownMs);
        await askUntilDone(ctx, database, "putOffDelivery", { id, delayMs });
      }
      return reason;
    }
    meters.ended(hook.name, "delivered");
    await askUntilDone(ctx, database, "endDelivery", { id });
    [next] = await askUntilDone(ctx, database, "dueDeliveries", { busy: others });
  }
  return null;
}

/** As PostgreSQL's regular expressions have it. */
const patternOf = (glob: string): string =>
  `^${glob.replaceAll(/[.]/g, "\\.").replaceAll("*", ".*")}$`;
