/**
 * A database request: a named function that an Oracle runs. Tasks ask for it by name through Seraph;
 * `requests.ts` lists them all. Every request is written to be run again: after a lost connection the
 * asker cannot know whether its transaction committed.
 */
import type { Sql } from "./connection.ts";

export interface DatabaseRequest<Args, Result> {
  /** Slow ones may hold all Oracles but one. */
  readonly slow: boolean;
  run(sql: Sql, args: Args): Promise<Result>;
}

export const request = <Args, Result>(
  run: (sql: Sql, args: Args) => Promise<Result>,
  { slow = false } = {},
): DatabaseRequest<Args, Result> => ({ slow, run });
