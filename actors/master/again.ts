/**
 * Tries a step of a build's walk until it succeeds: its other side may be away, or start anew. Used by who
 * delivers what a slave has built and by who brings an import.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ActorContext, AskError, Refusal } from "../../supervisor/index.ts";

interface Trials {
  /** What is logged when it fails: `its files could not be placed`. */
  readonly what: string;
  /** Said with it, besides the reason. */
  readonly about?: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** After each failure; what it throws ends the trials. */
  readonly onFailure: (error: unknown) => void;
}

export const RETRY_MS = 1_000;
/** A full disk is not emptied within a second. */
const FULL_RETRY_MS = 5_000;

/** The output disk has no room. */
export const isFull = (error: unknown): error is Refusal =>
  error instanceof Refusal && error.code === "full";

/** @throws AskError `aborted` when the asker ends; what `onFailure` throws */
export async function again<T>(
  { log }: Pick<ActorContext<never>, "log">,
  { what, about, signal, onFailure }: Trials,
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || (error instanceof AskError && error.code === "aborted")) throw error;
      const reason = error instanceof Refusal ? error.message : String(error);
      onFailure(error);
      log.warn({ ...about, reason }, `${what}; trying again`);
      await delay(isFull(error) ? FULL_RETRY_MS : RETRY_MS, undefined, { signal });
    }
  }
}
