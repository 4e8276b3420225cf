/**
 * One file on its way into staging: which ranges were asked for, which came before those in front of them, and
 * the writing of what is in order. Made by a transfer for each file that it pulls; what the bytes must be is not
 * known here. Only ranges that were asked for are taken, each once.
 */
import type { StagedFile } from "../../web/storage.ts";
import type { TransferWindow } from "./transfer-window.ts";

export interface FilePullMeans {
  readonly sizeBytes: number;
  readonly staged: StagedFile;
  readonly window: TransferWindow;
  /** Asks for a range. False where nobody is there to be asked. */
  fetch(offset: number, lengthBytes: number): boolean;
  /** There is room in the window again. */
  wrote(): void;
}

interface Asked {
  readonly lengthBytes: number;
  askedAtMs: number;
  /** How often; each time it is waited for twice as long. */
  times: number;
  /** Counted in the window. Not while it is overdue. */
  isCounted: boolean;
}

/** Ranges behind the first missing one may be this far ahead of it. */
const AHEAD_BYTES = 8 * 1024 * 1024;
const MOST_DOUBLINGS = 4;
/** A range that is asked for more often than this, and that others wait for, is asked for alone. */
const TIMES_BESIDE_OTHERS = 2;

export class FilePull {
  /** True when all bytes are in staging, false when it was called off. Rejects with what the storage said. */
  readonly arrived: Promise<boolean>;
  readonly #means: FilePullMeans;
  /** By offset, rising. */
  readonly #asked = new Map<number, Asked>();
  readonly #early = new Map<number, Uint8Array>();
  /** How many ranges were asked for once more: as many may come twice. */
  #askedAgain = 0;
  #nextOffset: number;
  #isWriting = false;
  #resolve: (isWhole: boolean) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(means: FilePullMeans) {
    this.#means = means;
    this.#nextOffset = means.staged.lengthBytes;
    this.arrived = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (this.#nextOffset === means.sizeBytes) this.#resolve(true);
  }

  /** Asks for as much as the window lets: first for what is overdue, then for what comes next. */
  ask(nowMs: number): void {
    const { window, staged, sizeBytes } = this.#means;
    for (const [offset, asked] of this.#asked) {
      if (this.#early.has(offset)) continue;
      if (!asked.isCounted) {
        if (!this.#takeOverdue(offset, asked) || !this.#fetch(offset, asked.lengthBytes)) return;
        asked.isCounted = true;
        asked.askedAtMs = nowMs;
        if (asked.times > 0) this.#askedAgain += 1;
        asked.times += 1;
      }
      // What lies behind it would only wait for it in memory.
      if (asked.times > TIMES_BESIDE_OTHERS && offset === staged.lengthBytes) return;
    }
    while (this.#nextOffset < sizeBytes) {
      const offset = this.#nextOffset;
      const lengthBytes = Math.min(window.rangeBytes, sizeBytes - offset);
      if (offset + lengthBytes - staged.lengthBytes > AHEAD_BYTES) return;
      if (!window.take(lengthBytes) || !this.#fetch(offset, lengthBytes)) return;
      this.#asked.set(offset, { lengthBytes, askedAtMs: nowMs, times: 1, isCounted: true });
      this.#nextOffset += lengthBytes;
    }
  }

  /**
   * What did not come in time counts no longer as under way. It is taken all the same when it comes late. Where the
   * range that all others wait for was asked for twice and did not come, what waits is let go, and asked for again after
   * it: whoever withholds one range could keep as much memory as it sent.
   */
  expire(nowMs: number, retryMs: number): boolean {
    let isAnyLate = false;
    for (const [offset, asked] of this.#asked) {
      const patienceMs = retryMs * 2 ** Math.min(asked.times - 1, MOST_DOUBLINGS);
      if (!asked.isCounted || this.#early.has(offset)) continue;
      if (nowMs - asked.askedAtMs <= patienceMs) continue;
      this.#free(asked);
      isAnyLate = true;
      const isFront = offset === this.#means.staged.lengthBytes;
      if (isFront && asked.times >= TIMES_BESIDE_OTHERS) this.#dropEarly();
    }
    return isAnyLate;
  }

  /** The connection that it was asked on is gone: nothing of it will come. */
  forget(): void {
    for (const [offset, asked] of this.#asked) {
      if (!asked.isCounted || this.#early.has(offset)) continue;
      this.#free(asked);
      asked.times = 0;
    }
  }

  /**
   * `unasked` is what was not asked for, came already, or is not as long as was asked; `repeated` what came already and
   * was asked for again since it was late; `dropped` what came too late to be kept for what lies before it.
   */
  take(
    offset: number,
    data: Uint8Array,
    nowMs: number,
  ): "taken" | "repeated" | "dropped" | "unasked" {
    const { window, staged } = this.#means;
    const asked = this.#asked.get(offset);
    if (asked?.lengthBytes !== data.length || this.#early.has(offset)) {
      const isWithinAsked = data.length > 0 && offset + data.length <= this.#nextOffset;
      if (this.#askedAgain === 0 || !isWithinAsked) return "unasked";
      this.#askedAgain -= 1;
      return "repeated";
    }
    // Of what was asked for twice nobody knows which asking this answers, and how quickly.
    if (asked.times === 1) window.answered(data.length, nowMs - asked.askedAtMs);
    if (!asked.isCounted) {
      // Overdue, and so its room may be another's: only what is written at once has none to wait for.
      asked.isCounted = window.take(data.length);
      if (!asked.isCounted && offset !== staged.lengthBytes) return "dropped";
    }
    this.#early.set(offset, data);
    if (!this.#isWriting) void this.#write();
    return "taken";
  }

  callOff(): void {
    this.#resolve(false);
  }

  /** Nothing more is asked for or waited for. */
  end(): void {
    for (const asked of this.#asked.values())
      if (asked.isCounted) this.#means.window.free(asked.lengthBytes);
    this.#asked.clear();
    this.#early.clear();
    this.#nextOffset = this.#means.sizeBytes;
  }

  /** Where even for the range that all wait for there is no room, what waits for it makes room. */
  #takeOverdue(offset: number, { lengthBytes }: Asked): boolean {
    const { window, staged } = this.#means;
    if (offset !== staged.lengthBytes) return window.take(lengthBytes);
    if (window.takeBeyond(lengthBytes)) return true;
    this.#dropEarly();
    return window.takeBeyond(lengthBytes);
  }

  #dropEarly(): void {
    for (const offset of this.#early.keys()) {
      const asked = this.#asked.get(offset);
      if (asked?.isCounted !== true) continue;
      this.#free(asked);
      // It came when it was asked for: it is not this one that is late.
      asked.times = 0;
    }
    this.#early.clear();
  }

  #free(asked: Asked): void {
    asked.isCounted = false;
    this.#means.window.free(asked.lengthBytes);
  }

  #fetch(offset: number, lengthBytes: number): boolean {
    const isSaid = this.#means.fetch(offset, lengthBytes);
    if (!isSaid) this.#means.window.free(lengthBytes);
    return isSaid;
  }

  async #write(): Promise<void> {
    const { staged, window, sizeBytes, wrote } = this.#means;
    this.#isWriting = true;
    try {
      for (;;) {
        const offset = staged.lengthBytes;
        const data = this.#early.get(offset);
        if (data === undefined) break;
        await staged.append(data);
        const asked = this.#asked.get(offset);
        this.#early.delete(offset);
        this.#asked.delete(offset);
        if (asked?.isCounted === true) window.free(asked.lengthBytes);
        wrote();
      }
      if (staged.lengthBytes === sizeBytes) this.#resolve(true);
    } catch (error) {
      this.#reject(error);
    }
    this.#isWriting = false;
  }
}
