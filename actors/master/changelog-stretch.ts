/**
 * A stretch of the changelog: what one answer came to, or several while there is much to catch up with, so that a
 * project that changed a hundred times is recorded once. Gathered by the `ChangelogFollower`, the next one while the
 * last is being recorded.
 */
import type { ChangelogEvent } from "../../protocol/upstream/index.ts";
import { ChangedNames } from "./changed-names.ts";

/** An answer of so many rows is asked after at once: a server may give fewer at a time than PyPI does. */
const LONG_ANSWER = 1_000;
/** Enough for one stretch: its names take some 30 MB, and are a batch or two for the database. */
const NAMES_A_STRETCH = 100_000;
const ANSWERS_A_STRETCH = 8;
/**
 * Rows are numbered when they are written and seen when they are committed, so that one may appear behind
 * others that were taken up already. How far back is looked for such: on PyPI more than an hour.
 */
export const LOOK_BACK = 1_000;

export class ChangelogStretch {
  /** The serial that is recorded when this is. */
  readonly from: number;
  /** Names that changed after `from`. */
  readonly names = new ChangedNames();
  /** Rows up to `from`, of an answer that looked back. */
  readonly behind: readonly ChangelogEvent[];
  /** The highest serial of it; `from` where it has none after that. */
  to: number;
  /** Serials of its last rows, no further back than is looked. */
  recent: number[] = [];
  /** There is more after it. */
  isMore: boolean;
  #answers = 1;

  /** @param answer the first one, whatever its rows are */
  constructor(from: number, answer: readonly ChangelogEvent[]) {
    this.from = from;
    this.to = from;
    this.behind = answer.filter(({ serial }) => serial <= from);
    this.isMore = this.#take(answer);
  }

  /** Whether another answer may be added. */
  get hasRoom(): boolean {
    return this.isMore && this.#answers < ANSWERS_A_STRETCH && this.names.size < NAMES_A_STRETCH;
  }

  /** One that was asked for from `to` on, and is in order. */
  add(answer: readonly ChangelogEvent[]): void {
    this.#answers += 1;
    this.isMore = this.#take(answer);
  }

  #take(answer: readonly ChangelogEvent[]): boolean {
    const { from, names } = this;
    for (const { name, serial } of answer) {
      if (serial <= from) continue;
      names.add(name, serial);
      if (serial > this.to) this.to = serial;
    }
    const limit = this.to - LOOK_BACK;
    const recent = this.recent.filter((serial) => serial > limit);
    for (const { serial } of answer) if (serial > limit) recent.push(serial);
    this.recent = recent;
    return answer.length >= LONG_ANSWER;
  }
}
