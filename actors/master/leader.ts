/**
 * The leader: holds the database for this master against a second one, by renewing the row that it took at
 * its start, and gives it back at the end, when all other tasks have ended. Being without the database is a
 * state; that another master has taken it over ends this one.
 */
import { openConnection, type Sql } from "../../db/connection.ts";
import { Superseded } from "../../db/database-error.ts";
import {
  admission,
  advanceTokens,
  releaseLeadership,
  renewLeadership,
  sessionName,
} from "../../db/leader.ts";
import type { ProcessIdentity } from "../../db/own-process.ts";
import { defineActor, isOrderly, toError } from "../../supervisor/index.ts";

interface LeaderMessages {
  BEAT(): void;
}

export interface LeaderArgs {
  readonly dsn: string;
  /** Which process took the row. */
  readonly process: ProcessIdentity;
  /** How long the row lasts, in ms; it is renewed three times as often. */
  readonly leaderMs: number;
  /** Ends the master; the reason is one line. */
  readonly superseded: (reason: string) => void;
}

interface State {
  readonly args: LeaderArgs;
  readonly sql: Sql;
  /** The session is new: the database behind it may be a restored one. */
  isNew: boolean;
}

export const leader = defineActor<LeaderMessages, LeaderArgs, State>({
  name: "holds the database against a second master",
  init(ctx, args) {
    const state: State = {
      args,
      sql: openConnection(args.dsn, {
        applicationName: sessionName("leader", args.process),
        admission: admission(args.process),
        onLost: ctx.bind(() => {
          state.isNew = true;
        }),
        // A beat that takes longer has missed its time; the next one tries anew.
        connectTimeoutMs: Math.max(1_000, args.leaderMs / 3),
        statementTimeoutMs: Math.max(1_000, args.leaderMs / 3),
      }),
      isNew: false,
    };
    ctx.self.tell("BEAT");
    return state;
  },
  handle: {
    async BEAT(state, _body, ctx) {
      ctx.after(state.args.leaderMs / 3, "BEAT");
      try {
        await renewLeadership(state.sql, state.args.process, state.args.leaderMs);
        if (state.isNew) await advanceTokens(state.sql);
        state.isNew = false;
        ctx.healthy();
      } catch (thrown) {
        const error = toError(thrown);
        if (error instanceof Superseded) {
          ctx.log.error({ reason: error.message }, "superseded");
          state.args.superseded(error.message);
        } else ctx.degraded(`database: ${error.message}`);
      }
    },
  },
  async stop({ sql, args }, reason) {
    // After a crash the next incarnation goes on.
    if (isOrderly(reason)) await releaseLeadership(sql, args.process).catch(() => undefined);
    await sql.end({ timeoutMs: 1_000 });
  },
});
