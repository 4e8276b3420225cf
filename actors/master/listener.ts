/**
 * The listener: hears from PostgreSQL that a target has something new to build and tells the Architect.
 * NOTIFY is a hint: what it misses the Architect's sweep finds. It notifies itself now and then, since
 * an idle LISTEN never sees a half-open connection.
 */
import { openConnection, type Sql } from "../../db/connection.ts";
import { admission, sessionName } from "../../db/leader.ts";
import type { ProcessIdentity } from "../../db/own-process.ts";
import type { ToArchitect } from "../../protocol/links/tasks/architect.ts";
import { type ActorRef, defineActor } from "../../supervisor/index.ts";

interface ListenerMessages {
  HEARD(body: { readonly payload: string }): void;
  PROBE(): void;
}

export interface ListenerArgs {
  readonly dsn: string;
  /** Which process of a master listens. */
  readonly process: ProcessIdentity;
  readonly architect: ActorRef<ToArchitect>;
  /** How often the connection is tried, in ms. */
  readonly probeMs: number;
}

interface State {
  readonly sql: Sql;
  readonly args: ListenerArgs;
  /** Its own notifications since the last probe that came back. */
  unheard: number;
  isListening: boolean;
}

/** Targets that were heard of within one wait for the Architect; a hint may be given once for many. */
export const listener = defineActor<ListenerMessages, ListenerArgs, State>({
  name: "hears of new work from the database",
  mailbox: { bound: 1_000, overflow: "drop-oldest" },
  init(ctx, args) {
    const sql = openConnection(args.dsn, {
      applicationName: sessionName("listener", args.process),
      admission: admission(args.process),
      onNotify: ctx.bind((_channel: string, payload: string) => {
        ctx.self.tell("HEARD", { payload });
      }),
      onLost: ctx.bind(() => {
        state.isListening = false;
      }),
    });
    const state: State = { sql, args, unheard: 0, isListening: false };
    ctx.self.tell("PROBE");
    return state;
  },
  handle: {
    HEARD(state, { payload }) {
      if (payload === "probe") {
        state.unheard = 0;
        return;
      }
      // As notifyWork in db/work.ts says it; what somebody else says by hand wakes everybody.
      const [targetId = 0, count = 0, ord = 0, versionId = 0, ...more] = payload
        .split(" ")
        .map(Number);
      const isWork =
        more.length === 0 &&
        targetId > 0 &&
        [targetId, count, ord, versionId].every(Number.isSafeInteger);
      const work = isWork ? [{ targetId, count, first: { ord, versionId } }] : [];
      state.args.architect.tell("WAKE", { work });
    },
    async PROBE(state, _body, ctx) {
      ctx.after(state.args.probeMs, "PROBE");
      try {
        // LISTEN twice is as once, and the session that follows a lost one listens to nothing yet.
        if (!state.isListening || state.unheard > 0) {
          await state.sql`listen work`;
          state.isListening = true;
          state.args.architect.tell("WAKE", { work: [] });
        }
        state.unheard += 1;
        await state.sql`select pg_notify('work', 'probe')`;
        ctx.healthy();
      } catch (error) {
        state.isListening = false;
        ctx.degraded(`database: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  },
  stop: async (state) => state.sql.end({ timeoutMs: 1_000 }),
});
