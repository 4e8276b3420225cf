/**
 * When a peer is silent. Only time in which this node's own event loop ran counts against a peer: a node
 * that stood still heard nobody, and drains its input before it judges.
 */
export const SILENT_AFTER_BEATS = 4;
/** How finely silence is measured. */
const TICKS_PER_BEAT = 4;

/**
 * Calls `tick` several times in each heartbeat's interval, with the time that counts: of a late call only the interval does,
 * since the rest was this node's own stall. Returns what stops it.
 */
export function startTicking(beatMs: number, tick: (passedMs: number) => void): () => void {
  const intervalMs = Math.max(5, beatMs / TICKS_PER_BEAT);
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const passedMs = Math.min(nowMs - lastMs, intervalMs);
    lastMs = nowMs;
    tick(passedMs);
  }, intervalMs);
  return () => {
    clearInterval(timer);
  };
}

/** One peer's silence and our own towards it. */
export class Liveness {
  readonly #beatMs: number;
  readonly #silentAfterMs: number;
  #unheardMs = 0;
  #unsaidMs = 0;

  constructor(beatMs: number, silentAfterMs: number) {
    this.#beatMs = beatMs;
    this.#silentAfterMs = silentAfterMs;
  }

  heard(): void {
    this.#unheardMs = 0;
  }

  /** The connection is gone: silent at once, unless something that it said before is heard yet. */
  lost(): void {
    this.#unheardMs = this.#silentAfterMs;
  }

  pass(ms: number): void {
    this.#unheardMs += ms;
    this.#unsaidMs += ms;
  }

  /** To be believed only after the input was drained. */
  isSilent(): boolean {
    return this.#unheardMs >= this.#silentAfterMs;
  }

  /** True once in each interval. */
  takeBeat(): boolean {
    if (this.#unsaidMs < this.#beatMs) return false;
    this.#unsaidMs = 0;
    return true;
  }
}
