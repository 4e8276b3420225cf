/**
 * Plays contenders by turns, so that what else the machine does falls on all alike, and compares them
 * round by round. Called by the benches `runtime` and `transport`; what a round is, the contender knows.
 */
import { median, type Table } from "./frame.ts";

export interface Contender<T = number> {
  readonly name: string;
  /** Plays one round and gives its figure. Ends what it starts. */
  play(signal: AbortSignal): Promise<T>;
}

/** What each contender gave, round by round. */
export type Rounds<T = number> = ReadonlyMap<string, readonly T[]>;

/** Not counted: code is compiled for speed only when it has run for a while. */
const WARM_UPS = 2;

/** Warm-ups, then `rounds` of them; each begins with another contender. */
export async function playRounds<T>(
  contenders: readonly Contender<T>[],
  rounds: number,
  signal: AbortSignal,
): Promise<Rounds<T>> {
  const values = new Map<string, T[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 1 - WARM_UPS; round <= rounds; round += 1) {
    const first = (round + WARM_UPS) % contenders.length;
    for (const { name, play } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      signal.throwIfAborted();
      const value = await play(signal);
      if (round > 0) values.get(name)?.push(value);
    }
  }
  return values;
}

/** One figure of each round. */
export function figuresOf<T>(rounds: Rounds<T>, figureOf: (value: T) => number): Comparison {
  return new Comparison(new Map([...rounds].map(([name, values]) => [name, values.map(figureOf)])));
}

export class Comparison {
  readonly #values: Rounds;

  constructor(values: Rounds) {
    this.#values = values;
  }

  median(name: string): number {
    return median(this.#of(name));
  }

  /** The median of the rounds' own ratios: of two that ran one after the other. */
  ratio(name: string, baseline: string): number {
    const bases = this.#of(baseline);
    return median(this.#of(name).map((value, round) => value / (bases[round] ?? Number.NaN)));
  }

  table(title: string, unit: string, baseline: string): Table {
    return {
      title,
      head: ["", unit, "lowest", "highest", `/ ${baseline}`],
      rows: [...this.#values].map(([name, values]) => [
        name,
        ...[median(values), Math.min(...values), Math.max(...values)].map(figure),
        rounded(this.ratio(name, baseline)).toString(),
      ]),
    };
  }

  #of(name: string): readonly number[] {
    const values = this.#values.get(name);
    if (values === undefined) throw new RangeError(`no contender ${name}`);
    return values;
  }
}

/** Three digits that count. */
export const rounded = (value: number): number => Number(value.toPrecision(3));

/** For people: `2,140,000`, `0.0421`. */
export const figure = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString("en-US") : rounded(value).toString();

/** @param share 0.99 for the value that 99 of 100 do not exceed. @throws RangeError of no values */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError("no quantile of nothing");
  return value;
}
