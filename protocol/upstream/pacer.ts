/**
 * Keeps a long parse from holding the event loop: asked between small pieces of work, it lets others run
 * once its slice is used up. Used by every reader of this room whose input can be megabytes.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

/** The loop may be held for some 20 ms; a slice is less than half of that, since a piece may overrun it. */
const SLICE_MS = 8;

export class Pacer {
  #sliceStartedAt = performance.now();

  /** Cheap enough to ask after every piece; await `pause()` where it says true. */
  get isDue(): boolean {
    return performance.now() - this.#sliceStartedAt >= SLICE_MS;
  }

  async pause(): Promise<void> {
    await nextTurn();
    this.#sliceStartedAt = performance.now();
  }
}
