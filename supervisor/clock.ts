/** Time as the runtime sees it. Everything that waits asks a `Clock`, so that tests can move it. */

/** Gives a timer back; harmless after it has fired. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds that never go back, whatever is done to the wall clock. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for people. Nothing is decided by it. */
  epochMs(): number;
  /** Calls once, not before `delayMs` has passed. Longer than Node's 24.8 days is allowed. */
  setTimer(delayMs: number, callback: () => void): CancelTimer;
}

/** Node fires at once what is set further ahead than this. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  epochMs: () => Date.now(),
  setTimer(delayMs, callback) {
    if (delayMs <= longestTimerMs) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    }
    let cancel: CancelTimer = () => undefined;
    const step = (leftMs: number) => {
      const partMs = Math.min(leftMs, longestTimerMs);
      const timer = setTimeout(() => {
        if (leftMs > partMs) step(leftMs - partMs);
        else callback();
      }, partMs);
      cancel = () => clearTimeout(timer);
    };
    if (Number.isFinite(delayMs)) step(delayMs);
    return () => cancel();
  },
};
