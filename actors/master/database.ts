/**
 * How a task asks the database: a ref to Seraph with its protocol, and `askUntilDone` for what must not be
 * lost. Being without the database is a state of the asking task, not a crash.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type DatabaseMessages,
  type RequestArgs,
  type RequestName,
  type RequestResult,
  requests,
} from "../../db/requests.ts";
import { declareProtocol } from "../../protocol/links/declare.ts";
import { type ActorRef, AskError, type Protocol, Refusal } from "../../supervisor/index.ts";

export type DatabaseRef = ActorRef<DatabaseMessages>;

type RequestSchemas = {
  readonly [N in RequestName]: {
    readonly body: (typeof requests)[N]["args"];
    readonly reply: (typeof requests)[N]["result"];
  };
};

/** Every request as a question to Seraph, with the schemas that it was declared with in `db/`. */
export const databaseProtocol: Protocol<DatabaseMessages> = declareProtocol({
  name: "database",
  messages: Object.fromEntries(
    Object.entries(requests).map(([name, { args, result }]) => [
      name,
      { body: args, reply: result },
    ]),
  ) as RequestSchemas,
});

/** What `askUntilDone` needs of the asking actor. */
export interface Asker {
  readonly signal: AbortSignal;
  degraded(reason: string): void;
  healthy(): void;
}

/**
 * A question waits this long before it is asked anew: longer than PostgreSQL lets a statement run, so
 * that what is too slow is an answer. Seraph retries by itself meanwhile.
 */
const PATIENCE_MS = 240_000;
const MAX_DELAY_MS = 5_000;

/**
 * Asks again and again until there is an answer: requests are safe to run twice.
 * @throws Refusal code `failed` when running it again would not help, also where arguments or result do not fit
 * the protocol; AskError `aborted` when the asker ends.
 */
export async function askUntilDone<N extends RequestName>(
  asker: Asker,
  database: DatabaseRef,
  name: N,
  args: RequestArgs<N>,
): Promise<RequestResult<N>> {
  const ask = database.ask as (
    type: N,
    body: RequestArgs<N>,
    options: { timeoutMs: number; signal: AbortSignal },
  ) => Promise<RequestResult<N>>;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const result = await ask.call(database, name, args, {
        timeoutMs: PATIENCE_MS,
        signal: asker.signal,
      });
      if (attempt > 0) asker.healthy();
      return result;
    } catch (error) {
      if (error instanceof Refusal && error.code === "failed") throw error;
      if (error instanceof AskError && error.code === "aborted") throw error;
      if (error instanceof AskError && error.code === "failed")
        throw new Refusal(error.message, { code: "failed", cause: error });
      asker.degraded(`database: ${error instanceof Error ? error.message : String(error)}`);
      const pauseMs = Math.min(MAX_DELAY_MS, 100 * 2 ** Math.min(attempt, 10));
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal: asker.signal });
    }
  }
}
