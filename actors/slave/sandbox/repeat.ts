/** How the watches over a build look at it: again and again, until there is something to say. */
import { setTimeout as delay } from "node:timers/promises";

/**
 * A look that takes long is followed by as long a pause, so that it takes half of a processor at most.
 * @returns what the first look that found something has found; undefined once the signal aborts
 */
export async function repeat<T>(
  everyMs: number,
  look: () => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    for (;;) {
      const startedAt = performance.now();
      const found = await look();
      if (found !== undefined) return found;
      const tookMs = performance.now() - startedAt;
      await delay(Math.max(everyMs - tookMs, tookMs), undefined, { signal });
    }
  } catch {
    // The watch has ended.
    return undefined;
  }
}
