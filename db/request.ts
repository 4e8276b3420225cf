/**
 * A database request: a named function that an Oracle runs. Tasks ask for it by name through Seraph;
 * `requests.ts` lists them all. Every request is written to be run again: after a lost connection the
 * asker cannot know whether its transaction committed.
 *
 * Its schemas give the types and are the check where a request or its result comes from another process.
 * Arguments are bounded there; of a result only the shape is checked, since what it holds was bounded when
 * it was stored. A result is a value that crosses as it is: no Date, no `undefined`, lists as plain arrays.
 */
import type { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import type { Sql } from "./connection.ts";

export interface DatabaseRequest<Args extends z.ZodType, Result extends z.ZodType> {
  readonly args: Args;
  readonly result: Result;
  /** Slow ones may hold all Oracles but one. */
  readonly slow: boolean;
  run(sql: Sql, args: Immutable<z.infer<Args>>): Promise<Immutable<z.infer<Result>>>;
}

interface Declaration<Args extends z.ZodType, Result extends z.ZodType> {
  readonly args: Args;
  readonly result: Result;
  /** Default false. */
  readonly slow?: boolean;
}

export const request = <Args extends z.ZodType, Result extends z.ZodType>(
  { args, result, slow = false }: Declaration<Args, Result>,
  run: DatabaseRequest<Args, Result>["run"],
): DatabaseRequest<Args, Result> => ({ args, result, slow, run });
