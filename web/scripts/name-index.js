/**
 * Finds packages by parts of their names, among hundreds of thousands, as fast as somebody types. Runs in a worker
 * (search-worker.js), and in tests.
 *
 * All names are one text in the order of their downloads, so the first place where a part is found belongs to the
 * most downloaded package that has it, and a search stops when it has enough.
 */

/**
 * A row of packages.json: name, downloads in 30 days, downloads ever.
 * @typedef {[string, number, number]} Row
 */

/** @typedef {{ name: string, lately: number, ever: number }} Hit */

/**
 * As names are compared (PEP 503): `My_Package` is `my-package`. What is typed may end in the middle of a name.
 * @param {string} query
 */
export const canonicalQuery = (query) =>
  query
    .trim()
    .toLowerCase()
    .replace(/[-_.\s]+/g, "-")
    .replace(/^-/, "")
    .slice(0, 200);

export class NameIndex {
  /** @type {Row[]} */
  #rows;
  /** @type {string} */
  #text;
  /** Where the line of each row begins. */
  #starts;

  /** @param {Row[]} rows are put into another order */
  constructor(rows) {
    this.#rows = rows.sort(
      ([one, lately, ever], [other, otherLately, otherEver]) =>
        otherLately - lately ||
        otherEver - ever ||
        one.length - other.length ||
        (one < other ? -1 : 1),
    );
    this.#starts = new Uint32Array(rows.length);
    let length = 0;
    for (let index = 0; index < rows.length; index += 1) {
      this.#starts[index] = length;
      length += (rows[index]?.[0].length ?? 0) + 1;
    }
    this.#text = `\n${rows.map(([name]) => name).join("\n")}\n`;
  }

  get size() {
    return this.#rows.length;
  }

  /**
   * The name itself first, then names that begin so, then those with a word that begins so, then the rest that
   * hold it: each by downloads.
   * @param {string} query in its canonical form
   * @param {number} limit
   * @returns {{ hits: Hit[], isMore: boolean }}
   */
  search(query, limit) {
    if (query === "" || query.includes("\n")) return { hits: [], isMore: false };
    // One look at all names where it is in none, instead of four.
    if (!this.#text.includes(query)) return { hits: [], isMore: false };
    /** @type {Set<number>} */
    const found = new Set();
    for (const part of [`\n${query}\n`, `\n${query}`, `-${query}`, query]) {
      for (let at = this.#text.indexOf(part); at >= 0; ) {
        // The place of the query itself, less the line feed before the first name.
        const index = this.#rowAt(at + part.indexOf(query) - 1);
        found.add(index);
        if (found.size > limit) break;
        at = this.#text.indexOf(part, this.#starts[index + 1] ?? this.#text.length);
      }
      if (found.size > limit) break;
    }
    const hits = [...found].slice(0, limit).map((index) => {
      const [name, lately, ever] = this.#rows[index] ?? ["", 0, 0];
      return { name, lately, ever };
    });
    return { hits, isMore: found.size > limit };
  }

  /** The row whose line holds this place. @param {number} place */
  #rowAt(place) {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
