/**
 * The sending half of a reliable lane: letters wait here, numbered, until the other node has acknowledged
 * them. Knows neither time nor connections; `NodeChannel` says when to send and when to begin anew.
 */
import type { Item } from "./node-message.ts";
import { weightOf } from "./weight.ts";

/** How much may wait; a single letter always may, since what carries it bounds that. */
export interface Bound {
  readonly letters: number;
  readonly bytes: number;
}

export interface Batch {
  readonly first: number;
  readonly items: readonly Item[];
}

export class OutStream {
  readonly id: string;
  readonly #window: number;
  #items: Item[] = [];
  /** Of each of `#items`, about. */
  #weights: number[] = [];
  #bytes = 0;
  /** Number of the first of `#items`: the oldest letter without acknowledgement. */
  #base = 1;
  /** Number of the next letter to be sent over this connection. */
  #next = 1;
  /** Number of the last letter that was ever sent, over whichever connection. */
  #lastSent = 0;

  /** `window`: letters that may be under way. */
  constructor(id: string, window: number) {
    this.id = id;
    this.#window = window;
  }

  get base(): number {
    return this.#base;
  }

  get size(): number {
    return this.#items.length;
  }

  /** About how much they hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Letters that were sent over this connection and are not acknowledged. */
  get underWay(): number {
    return this.#next - this.#base;
  }

  /** The number of the letter; undefined where no more may wait. */
  push(item: Item, bound: Bound): number | undefined {
    if (this.#items.length >= bound.letters) return undefined;
    const weight = weightOf(item);
    if (this.#items.length > 0 && this.#bytes + weight > bound.bytes) return undefined;
    this.#items.push(item);
    this.#weights.push(weight);
    this.#bytes += weight;
    return this.#base + this.#items.length - 1;
  }

  /** The next letters to be sent, at most `most`; they count as sent when `sent` is called. */
  next(most: number): Batch | undefined {
    const from = this.#next - this.#base;
    const until = Math.min(from + most, this.#window, this.#items.length);
    if (from >= until) return undefined;
    return { first: this.#next, items: this.#items.slice(from, until) };
  }

  sent(count: number): void {
    this.#next += count;
    this.#lastSent = Math.max(this.#lastSent, this.#next - 1);
  }

  /** The oldest letters under way, to be sent once more. */
  oldest(most: number): Batch | undefined {
    const count = Math.min(most, this.underWay);
    return count > 0 ? { first: this.#base, items: this.#items.slice(0, count) } : undefined;
  }

  /** Whether the letter was never sent, over whichever connection. */
  isUnsent(number: number): boolean {
    return number > this.#lastSent;
  }

  /** Puts other items in the place of those that wait; numbers must have no gaps. */
  rewrite(change: (item: Item) => Item): void {
    this.#items = this.#items.map(change);
    this.#weights = this.#items.map(weightOf);
    this.#bytes = this.#weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** Puts another item in the place of a letter that cannot be sent; numbers must have no gaps. */
  replace(number: number, item: Item): void {
    const at = number - this.#base;
    if (at < 0 || at >= this.#items.length) return;
    const weight = weightOf(item);
    this.#bytes += weight - (this.#weights[at] ?? 0);
    this.#items[at] = item;
    this.#weights[at] = weight;
  }

  /** Forgets what was taken over there. False for a number that is old or was never sent. */
  acknowledge(received: number): boolean {
    const count = received - this.#base + 1;
    if (count <= 0 || received > this.#lastSent) return false;
    this.#items = this.#items.slice(count);
    for (let at = 0; at < count; at += 1) this.#bytes -= this.#weights[at] ?? 0;
    this.#weights = this.#weights.slice(count);
    this.#base += count;
    this.#next = Math.max(this.#next, this.#base);
    return true;
  }

  /** A new connection: all that is not acknowledged is sent again. */
  rewind(): void {
    this.#next = this.#base;
  }

  /** Gives up: what was never acknowledged, oldest first. */
  takeAll(): readonly Item[] {
    const items = this.#items;
    this.#items = [];
    this.#weights = [];
    this.#bytes = 0;
    this.#base += items.length;
    this.#next = this.#base;
    return items;
  }
}
