/**
 * The check of a received wheel, in a worker thread: unpacking and hashing a large wheel would hold the
 * event loop. Called by transfers; what is checked is in `wheel-check-worker.ts`.
 */
import { Piscina } from "piscina";
import type { Delivery } from "../../protocol/model/delivery.ts";

export interface WheelQuestion {
  readonly path: string;
  readonly filename: string;
  readonly delivery: Delivery;
}

export type CheckedWheel =
  | {
      readonly ok: true;
      readonly tags: readonly string[];
      readonly requiresPython: string | null;
      readonly requiresDist: readonly string[];
      /** METADATA, byte for byte. */
      readonly metadata: Uint8Array;
      /** What is odd about it, in words; null when nothing is. */
      readonly suspicious: string | null;
    }
  /** One line that says what is wrong with it. */
  | { readonly ok: false; readonly reason: string };

export type WheelCheck = (question: WheelQuestion) => Promise<CheckedWheel>;

/** A wheel that takes longer is hostile or hopeless. */
const LIMIT_MS = 10 * 60_000;

export interface WheelChecker {
  readonly check: WheelCheck;
  close(): Promise<void>;
}

/** Starts the worker pool. The worker is the built file, also when this one runs from source. */
export function startWheelChecker(threads = 2): WheelChecker {
  const built = import.meta.url.endsWith(".ts")
    ? new URL("../../dist/actors/master/wheel-check-worker.js", import.meta.url)
    : new URL("./wheel-check-worker.js", import.meta.url);
  const pool = new Piscina({
    filename: built.href,
    name: "check",
    // One stays warm: to load the worker costs more than to check an ordinary wheel.
    minThreads: 1,
    maxThreads: threads,
    idleTimeout: 30_000,
    // A hostile wheel ends its worker, not the master.
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  // A worker that ends with nothing in hand costs nobody an answer; unheard, it would end the master.
  pool.on("error", () => undefined);
  return {
    async check(question) {
      try {
        const signal = AbortSignal.timeout(LIMIT_MS);
        return (await pool.run(question, { signal })) as CheckedWheel;
      } catch (error) {
        return { ok: false, reason: `it could not be checked: ${String(error)}` };
      }
    },
    close: () => pool.destroy(),
  };
}
