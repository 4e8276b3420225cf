/**
 * The receiving half of a reliable lane: gives each letter of the other node's stream once and in order,
 * whatever the network repeats or overtakes.
 */
import type { Item } from "./node-message.ts";

export class InStream {
  readonly #window: number;
  #id = "";
  #received = 0;
  /** Letters that came before their turn. */
  readonly #early = new Map<number, Item>();

  constructor(window: number) {
    this.#window = window;
  }

  /** Empty before the first SYNC of the other node. */
  get id(): string {
    return this.#id;
  }

  /** The number of the last letter that was given on. */
  get received(): number {
    return this.#received;
  }

  begin(id: string, base: number): void {
    this.#id = id;
    this.#received = base - 1;
    this.#early.clear();
  }

  /** Gives on what is next in order; tells how many letters had been given on before. */
  accept(first: number, items: readonly Item[], give: (item: Item) => void): number {
    let repeated = 0;
    for (const [at, item] of items.entries()) {
      const number = first + at;
      if (number <= this.#received || this.#early.has(number)) repeated += 1;
      else if (number === this.#received + 1) {
        this.#received = number;
        give(item);
        this.#giveEarly(give);
      } else if (number <= this.#received + this.#window) this.#early.set(number, item);
    }
    return repeated;
  }

  #giveEarly(give: (item: Item) => void): void {
    while (this.#early.size > 0) {
      const item = this.#early.get(this.#received + 1);
      if (item === undefined) return;
      this.#received += 1;
      this.#early.delete(this.#received);
      give(item);
    }
  }
}
