/**
 * The memory that both ends of a threaded actor see at any time, also while the thread is stuck in a loop
 * and after it was killed: its heartbeat, what it is at, and which messages it has begun. Both sides may
 * claim a message that was sent and not begun; exactly one of them gets it.
 */

const BEAT = 0;
/** User messages that were begun, over all slots. */
const BEGUN = 1;
const IS_HANDLING = 2;
const HANDLING_SINCE = 3;
const SLOTS = 4;

const SENT = 0;
const TAKEN = 1;

export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;
  /** From this thread's `performance.now()`, which is cheap to read, to the clock of all. */
  readonly #clockOffsetMs = clockMs() - performance.now();

  constructor(slots: number, buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer((SLOTS + slots) * Int32Array.BYTES_PER_ELEMENT);
    this.#cells = new Int32Array(this.buffer);
  }

  // ---- the thread's side ----------------------------------------------------------------------

  beat(): void {
    Atomics.add(this.#cells, BEAT, 1);
  }

  /** The message of this slot is to be handled now; false when the parent has taken it back. */
  begin(slot: number, isUser: boolean): boolean {
    if (!this.takeBack(slot)) return false;
    if (isUser) Atomics.add(this.#cells, BEGUN, 1);
    return true;
  }

  /** A handler begins now, by this thread's `performance.now()`. */
  handling(nowMs: number): void {
    Atomics.store(this.#cells, HANDLING_SINCE, (nowMs + this.#clockOffsetMs) | 0);
    Atomics.store(this.#cells, IS_HANDLING, 1);
  }

  idle(): void {
    Atomics.store(this.#cells, IS_HANDLING, 0);
  }

  // ---- the parent's side ----------------------------------------------------------------------

  get beats(): number {
    return Atomics.load(this.#cells, BEAT);
  }

  get begun(): number {
    return Atomics.load(this.#cells, BEGUN);
  }

  /** How long the handler that runs now has been running; 0 when none does. */
  get handlingMs(): number {
    if (Atomics.load(this.#cells, IS_HANDLING) === 0) return 0;
    // Differences of 32-bit numbers are right as long as they are below 24 days.
    return Math.max(1, (clockMs() - Atomics.load(this.#cells, HANDLING_SINCE)) | 0);
  }

  /** A message is about to be sent in this slot. */
  sent(slot: number): void {
    Atomics.store(this.#cells, SLOTS + slot, SENT);
  }

  /** Takes the message of a slot; false when the other side, or this one, has taken it already. */
  takeBack(slot: number): boolean {
    return Atomics.compareExchange(this.#cells, SLOTS + slot, SENT, TAKEN) === SENT;
  }
}

/** Milliseconds of a clock that all threads of a process share, as a 32-bit number that may wrap. */
function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds * 1_000 + Math.trunc(nanoseconds / 1e6)) | 0;
}
