/**
 * Those who may watch and no more, kept within bounds: how much of the master they may ask at a time, and how often it is
 * noted that one gave an order. Used by Control; whoever may control needs no bounds, since he can stop the master.
 */

/** As many answers may be in the making for one key. */
const MOST_IN_HAND = 64;
/** Refused orders of one key that are noted within a minute; all are counted. */
const MOST_NOTED = 10;
const MINUTE_MS = 60_000;

export class Guests {
  readonly #inHand = new Map<string, number>();
  readonly #noted = new Map<string, { count: number; readonly untilMs: number }>();

  /** False where this one has to wait for its answers. */
  begins(identity: string): boolean {
    const count = this.#inHand.get(identity) ?? 0;
    if (count >= MOST_IN_HAND) return false;
    this.#inHand.set(identity, count + 1);
    return true;
  }

  ends(identity: string): void {
    const left = (this.#inHand.get(identity) ?? 0) - 1;
    if (left > 0) this.#inHand.set(identity, left);
    else this.#inHand.delete(identity);
  }

  isWorthNoting(identity: string): boolean {
    const now = performance.now();
    for (const [key, { untilMs }] of this.#noted) if (untilMs < now) this.#noted.delete(key);
    const noted = this.#noted.get(identity) ?? { count: 0, untilMs: now + MINUTE_MS };
    this.#noted.set(identity, noted);
    noted.count += 1;
    return noted.count <= MOST_NOTED;
  }
}
