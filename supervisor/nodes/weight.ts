/**
 * About how many bytes a letter holds, for the bound on what may wait for a node. Asked for each letter, so it is no
 * encoding: names of fields count, what a codec adds does not. Bounded itself, whatever the letter is: also one that
 * holds itself, which no codec takes, weighs something.
 */

/** Values that are looked at; what a letter has beyond them weighs nothing. */
const MOST_VALUES = 200_000;
const DEEPEST = 100;
const NUMBER_BYTES = 8;

export function weightOf(letter: unknown): number {
  let left = MOST_VALUES;
  const weigh = (value: unknown, depth: number): number => {
    left -= 1;
    if (typeof value === "string") return value.length;
    if (typeof value !== "object" || value === null) return NUMBER_BYTES;
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
    if (depth >= DEEPEST) return NUMBER_BYTES;
    let sum = NUMBER_BYTES;
    if (Array.isArray(value)) {
      for (const item of value) {
        if (left <= 0) break;
        sum += weigh(item, depth + 1);
      }
      return sum;
    }
    if (value instanceof Map || value instanceof Set) {
      for (const item of value) {
        if (left <= 0) break;
        sum += weigh(item, depth + 1);
      }
      return sum;
    }
    for (const key in value) {
      if (left <= 0) break;
      sum += key.length + weigh((value as Readonly<Record<string, unknown>>)[key], depth + 1);
    }
    return sum;
  };
  return weigh(letter, 0);
}
