/**
 * The bytes that one transfer may have asked for and not yet got. It grows while answers come quickly and
 * shrinks while they are late: a fast sender is kept busy, a slow one gets small ranges and no pile of them on its
 * way, and one that stands still costs the others nothing. Used by `transfer.ts` for all files of a build.
 */
import { MAX_CHUNK_BYTES } from "../../protocol/links/files.ts";

/** Asked for and not yet written, of all transfers of a master: what may lie in its memory. */
const SHARED_BYTES = 128 * 1024 * 1024;

const FIRST_BYTES = 1024 * 1024;
/** What hides the round trip to a fast sender; also what a transfer may hold in memory. */
export const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
const SMALLEST_BYTES = 64 * 1024;
/** A window is several ranges, so that one is on its way while another one is written. */
const RANGES_PER_WINDOW = 4;

/** What all transfers together have left to ask for. Made by File Juggler. */
export class SharedCredit {
  #leftBytes = SHARED_BYTES;

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

export class TransferWindow {
  readonly #shared: SharedCredit;
  readonly #retryMs: number;
  #windowBytes = FIRST_BYTES;
  #heldBytes = 0;
  /** Of these, what was taken from all: the one range that is always allowed goes without. */
  #creditBytes = 0;
  #isClosed = false;

  /** @param retryMs a range that takes longer is asked for again */
  constructor(shared: SharedCredit, retryMs: number) {
    this.#shared = shared;
    this.#retryMs = retryMs;
  }

  /** The length of the next range. */
  get rangeBytes(): number {
    const share = Math.floor(this.#windowBytes / RANGES_PER_WINDOW);
    return Math.min(MAX_CHUNK_BYTES, Math.max(SMALLEST_BYTES, share));
  }

  /**
   * Whether a range of that length may be asked for now. With nothing under way it always may, whatever the
   * other transfers have: nobody starves.
   */
  take(bytes: number): boolean {
    if (this.#isClosed) return false;
    const isAlone = this.#heldBytes === 0;
    if (!isAlone && this.#heldBytes + bytes > this.#windowBytes) return false;
    if (this.#shared.take(bytes)) this.#creditBytes += bytes;
    else if (!isAlone) return false;
    this.#heldBytes += bytes;
    return true;
  }

  /** What was taken is written, or not waited for any more. */
  free(bytes: number): void {
    this.#heldBytes -= bytes;
    const credit = Math.min(bytes, this.#creditBytes);
    this.#creditBytes -= credit;
    this.#shared.give(credit);
  }

  /** A range came after so long: quick answers let the window grow, slow ones make it smaller. */
  answered(bytes: number, afterMs: number): void {
    if (afterMs < this.#retryMs / 4)
      this.#windowBytes = Math.min(MAX_WINDOW_BYTES, this.#windowBytes + bytes);
    else if (afterMs > this.#retryMs / 2) this.shrink();
  }

  /** Something did not come in time. */
  shrink(): void {
    this.#windowBytes = Math.max(SMALLEST_BYTES, Math.floor(this.#windowBytes / 2));
  }

  /** The transfer has ended: gives back what it had. */
  close(): void {
    this.#isClosed = true;
    this.free(this.#heldBytes);
  }
}
