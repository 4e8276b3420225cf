/**
 * The check of a received wheel, in a worker thread: unpacking and hashing a large wheel would hold the
 * event loop. Most of a large one is unpacked while it arrives (`arrival-reader.ts`). Called by transfers; what is checked is in
 * `wheel-check-worker.ts`.
 */
import { Piscina } from "piscina";
import type { Delivery } from "../../protocol/model/delivery.ts";
import type { SeenEntry } from "../../protocol/packaging/arriving-zip.ts";
import { ArrivalReader, type Arriving } from "./arrival-reader.ts";

export interface WheelQuestion {
  readonly path: string;
  readonly filename: string;
  readonly delivery: Delivery;
  /** What was read of it as it arrived; none where that did not happen. */
  readonly seen: readonly SeenEntry[];
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

/** What a transfer needs of it. */
export interface WheelCheck {
  check(question: WheelQuestion): Promise<CheckedWheel>;
  /** Reads a wheel while it arrives, to have seen most of it at its end. */
  follow(path: string): Arriving;
}

/** A wheel that takes longer is hostile or hopeless. */
const LIMIT_MS = 10 * 60_000;

export interface WheelChecker extends WheelCheck {
  close(): Promise<void>;
}

/** Threads run the built files, also when this one runs from source. */
const built = (name: string): URL =>
  import.meta.url.endsWith(".ts")
    ? new URL(`../../dist/actors/master/${name}.js`, import.meta.url)
    : new URL(`./${name}.js`, import.meta.url);

export function startWheelChecker(threads = 2): WheelChecker {
  const arrivals = new ArrivalReader(built("arrival-thread"));
  const pool = new Piscina({
    filename: built("wheel-check-worker").href,
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
    follow: (path) => arrivals.follow(path),
    async close() {
      await Promise.all([pool.destroy(), arrivals.close()]);
    },
  };
}
