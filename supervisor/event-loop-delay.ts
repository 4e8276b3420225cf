/**
 * How late the event loop of this process is: the first sign that some handler computes for too long.
 * Measured by Node with a timer every few milliseconds, so only while somebody wants to know.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** In ms, since the measurement began; a timer that is on time counts as 0. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly samples: number;
}

const resolutionMs = 10;

export class EventLoopGauge {
  #histogram: IntervalHistogram | undefined;

  /** Twice is as once. */
  start(): void {
    if (this.#histogram) return;
    this.#histogram = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#histogram.enable();
  }

  stop(): void {
    this.#histogram?.disable();
    this.#histogram = undefined;
  }

  read(): EventLoopDelay | undefined {
    const histogram = this.#histogram;
    if (!histogram) return undefined;
    const { count: samples } = histogram;
    if (samples === 0) return { p50Ms: 0, p99Ms: 0, maxMs: 0, samples };
    // Node records the whole time between two timers.
    const lateMs = (ns: number) => Math.max(0, ns / 1e6 - resolutionMs);
    return {
      p50Ms: lateMs(histogram.percentile(50)),
      p99Ms: lateMs(histogram.percentile(99)),
      maxMs: lateMs(histogram.max),
      samples,
    };
  }
}
