/**
 * The Oracle: runs database requests over one connection of its own. Several of them sit behind
 * Seraph. To crash costs the request in hand; being without the database is a state (`degraded`).
 */
import {
  codeOf,
  isConnectionLost,
  isRetryable,
  isUnavailable,
  openConnection,
  type Sql,
} from "../../db/connection.ts";
import { admission, sessionName } from "../../db/leader.ts";
import type { ProcessIdentity } from "../../db/own-process.ts";
import { type RequestName, requests } from "../../db/requests.ts";
import { defineActor, Refusal, toError } from "../../supervisor/index.ts";

export interface OracleMessages {
  /**
   * Runs one request and gives its result. Refusal codes: `unavailable` (nobody knows whether it took
   * effect), `retry` (it did not), `failed` (running it again would not help).
   */
  RUN(body: { readonly name: RequestName; readonly args: unknown }): unknown;
}

export interface OracleArgs {
  readonly dsn: string;
  /** How its session is called, and for which process of a master. */
  readonly task: string;
  readonly process: ProcessIdentity;
}

export const oracle = defineActor<OracleMessages, OracleArgs, Sql>({
  name: "runs database requests",
  // PostgreSQL ends a statement long before; a request of several is bounded by this.
  handlerTimeoutMs: 180_000,
  init: (_ctx, { dsn, task, process }) =>
    openConnection(dsn, {
      applicationName: sessionName(task, process),
      admission: admission(process),
    }),
  handle: {
    async RUN(sql, { name, args }, ctx) {
      const wanted: { run(sql: Sql, args: never): Promise<unknown> } = requests[name];
      try {
        const result = await wanted.run(sql, args as never);
        ctx.healthy();
        return result;
      } catch (thrown) {
        const error = toError(thrown);
        if (isRetryable(error)) throw new Refusal(error.message, { code: "retry" });
        if (isConnectionLost(error) || isUnavailable(error)) {
          ctx.degraded(`database: ${error.message}`);
          throw new Refusal(error.message, { code: "unavailable" });
        }
        ctx.log.error(
          { request: name, code: codeOf(error), err: error },
          "database request failed",
        );
        throw new Refusal(`${name}: ${error.message}`, { code: "failed" });
      }
    },
  },
  stop: async (sql) => sql.end({ timeoutMs: 2_000 }),
});
