/** How often a thread shows that its event loop turns, and its parent looks; known to both ends. */

const longestMs = 500;
const shortestMs = 10;

/** Often enough to measure the shortest limit, seldom enough to cost nothing. `handlerTimeoutMs` 0: none. */
export function beatMs(unresponsiveMs: number, handlerTimeoutMs: number): number {
  const limitMs = Math.min(unresponsiveMs, handlerTimeoutMs || unresponsiveMs);
  return Math.min(longestMs, Math.max(shortestMs, limitMs / 8));
}
