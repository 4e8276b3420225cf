/**
 * Remembers what a pure function said of the texts that come again and again: URLs and headers of requests.
 * Bounded: a long text is never kept, and when the memory is full it begins anew, so that whoever sends
 * ever other texts takes away the speed of others for a moment, and nothing else.
 */
export class Memo<T> {
  readonly #compute: (text: string) => T;
  readonly #maxEntries: number;
  readonly #maxChars: number;
  readonly #known = new Map<string, T>();

  constructor(compute: (text: string) => T, bounds: { maxEntries: number; maxChars: number }) {
    this.#compute = compute;
    this.#maxEntries = bounds.maxEntries;
    this.#maxChars = bounds.maxChars;
  }

  get(text: string): T {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const value = this.#compute(text);
    if (text.length <= this.#maxChars) {
      if (this.#known.size >= this.#maxEntries) this.#known.clear();
      this.#known.set(text, value);
    }
    return value;
  }
}
