/** Works on the same keys follow each other in the order of the calls; works on others run at once. */
export class KeyOrder {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = keys.map((key) => this.#last.get(key) ?? Promise.resolve());
    // Everybody takes their place in all lines at once, so that no two wait for each other.
    const mine = Promise.all(before).then(work);
    const settled = mine.catch(() => undefined);
    for (const key of keys) this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      for (const key of keys) if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
