/** A value of a message as the picture keeps it: no text and no list in it is longer than a screen would show. */

const MOST_LETTERS = 500;
const MOST_ENTRIES = 20;

export function trimmed<T>(value: T): T {
  return cut(value) as T;
}

function cut(value: unknown): unknown {
  if (typeof value === "string")
    return value.length > MOST_LETTERS ? `${value.slice(0, MOST_LETTERS - 1)}…` : value;
  if (Array.isArray(value)) return value.slice(0, MOST_ENTRIES).map(cut);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cut(each)]));
}
