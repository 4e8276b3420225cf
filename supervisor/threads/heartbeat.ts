/**
 * Watches that the event loop of a thread turns. It is the parent's: a thread in a synchronous loop cannot
 * look after itself. A handler that only waits too long is found by the watchdog of the thread's own runtime.
 */
import type { SharedState } from "./shared-state.ts";

export interface HeartbeatLimits {
  readonly unresponsiveMs: number;
  /** 0: no limit of its own. */
  readonly handlerTimeoutMs: number;
  /** Half of the time is over. */
  readonly slow: (forMs: number) => void;
  /** Said once; nothing is watched any more. */
  readonly stuck: (code: "handler-timeout" | "unresponsive", forMs: number) => void;
}

export class Heartbeat {
  readonly #shared: SharedState;
  readonly #checkMs: number;
  readonly #limits: HeartbeatLimits;
  readonly #timer: NodeJS.Timeout;
  #beats: number;
  #checkedAtMs = performance.now();
  #stillMs = 0;
  #hasWarned = false;

  /** On the real clock, whatever the system's: a thread lives in real time. */
  constructor(shared: SharedState, checkMs: number, limits: HeartbeatLimits) {
    this.#shared = shared;
    this.#checkMs = checkMs;
    this.#limits = limits;
    this.#beats = shared.beats;
    this.#timer = setInterval(() => this.#check(), checkMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const nowMs = performance.now();
    // A process that was itself stopped for a while says nothing about its threads.
    const passedMs = Math.min(nowMs - this.#checkedAtMs, 2 * this.#checkMs);
    this.#checkedAtMs = nowMs;
    const { beats } = this.#shared;
    if (beats !== this.#beats) {
      this.#beats = beats;
      this.#stillMs = 0;
      this.#hasWarned = false;
      return;
    }
    this.#stillMs += passedMs;
    const { unresponsiveMs, handlerTimeoutMs, slow, stuck } = this.#limits;
    const isHandler = handlerTimeoutMs > 0 && this.#shared.handlingMs > 0;
    const limitMs = isHandler ? Math.min(unresponsiveMs, handlerTimeoutMs) : unresponsiveMs;
    const forMs = Math.round(this.#stillMs);
    if (this.#stillMs >= limitMs) {
      this.stop();
      stuck(isHandler && limitMs === handlerTimeoutMs ? "handler-timeout" : "unresponsive", forMs);
    } else if (this.#stillMs >= limitMs / 2 && !this.#hasWarned) {
      this.#hasWarned = true;
      slow(forMs);
    }
  }
}
