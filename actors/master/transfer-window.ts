/**
 * The bytes that one transfer may have asked for and not yet got. It grows while answers come quickly and
 * shrinks while they are late: a fast sender is kept busy, a slow one gets small ranges and no pile of them on its
 * way, and one that stands still costs the others nothing. Used by `transfer.ts` for all files of a build.
 */
import { MAX_CHUNK_BYTES } from "../../protocol/links/files.ts";
import { ALWAYS_ALLOWED_BYTES } from "./transfer-queue.ts";

/** Asked for and not yet written, of all transfers of a master: what may lie in its memory. */
const MEMORY_BYTES = 128 * 1024 * 1024;

const FIRST_BYTES = 1024 * 1024;
/** What hides the round trip to a fast sender; also what a transfer may hold in memory. */
export const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
const SMALLEST_BYTES = 64 * 1024;
/** A window is several ranges, so that one is on its way while another one is written. */
const RANGES_PER_WINDOW = 4;

/** A part of the shared credit, as one identity has it. */
export interface CreditAccount {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/**
 * What all transfers together have left to ask for, beyond the one range of each. Made by File Juggler. An identity
 * may have as much as it leaves to others, so half of all where it is alone, and none can take the last of it.
 */
export class SharedCredit {
  #leftBytes = MEMORY_BYTES - ALWAYS_ALLOWED_BYTES;
  readonly #takenBytes = new Map<string, number>();

  accountOf(identity: string): CreditAccount {
    return {
      take: (bytes) => this.#take(identity, bytes),
      give: (bytes) => this.#give(identity, bytes),
    };
  }

  #take(identity: string, bytes: number): boolean {
    const takenBytes = (this.#takenBytes.get(identity) ?? 0) + bytes;
    if (takenBytes > this.#leftBytes - bytes) return false;
    this.#leftBytes -= bytes;
    this.#takenBytes.set(identity, takenBytes);
    return true;
  }

  #give(identity: string, bytes: number): void {
    this.#leftBytes += bytes;
    const takenBytes = (this.#takenBytes.get(identity) ?? 0) - bytes;
    if (takenBytes === 0) this.#takenBytes.delete(identity);
    else this.#takenBytes.set(identity, takenBytes);
  }
}

export class TransferWindow {
  readonly #shared: CreditAccount;
  readonly #retryMs: number;
  #windowBytes = FIRST_BYTES;
  #heldBytes = 0;
  /** Of these, what was taken from all: the one range that is always allowed goes without. */
  #creditBytes = 0;
  #isClosed = false;

  /** @param retryMs a range that takes longer is asked for again */
  constructor(shared: CreditAccount, retryMs: number) {
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
   * other transfers have: nobody starves. File Juggler bounds how many there are.
   */
  take(bytes: number): boolean {
    const isWithin = this.#heldBytes === 0 || this.#heldBytes + bytes <= this.#windowBytes;
    return isWithin && this.takeBeyond(bytes);
  }

  /** As `take`, though the window be full, as by what waits for this range in a window that has shrunk since. */
  takeBeyond(bytes: number): boolean {
    if (this.#isClosed) return false;
    const isAlone = this.#heldBytes === 0;
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
    if (credit > 0) this.#shared.give(credit);
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
