/**
 * What the tasks of this process have refused, by task and reason, since it started: frames and HELLOs at a link,
 * messages out of order, files that do not pass. Written by the tasks, read for the tree that monitors are shown. It
 * outlives their incarnations. Reasons are the fixed words of the code and nothing that a peer says, so there are few.
 */
type Counts = Readonly<Record<string, number>>;

/** What one task is given to count with. */
export interface TaskRefusals {
  count(reason: string, times?: number): void;
  /** What a socket counts by itself; what was watched before has ended, and its counts are kept. */
  watch(counters: () => Counts): void;
}

export class Refusals {
  readonly #counted = new Map<string, Map<string, number>>();
  readonly #watched = new Map<string, () => Counts>();

  at(path: string): TaskRefusals {
    return {
      count: (reason, times = 1) => {
        add(this.#countsOf(path), { [reason]: times });
      },
      watch: (counters) => {
        add(this.#countsOf(path), this.#watched.get(path)?.() ?? {});
        this.#watched.set(path, counters);
      },
    };
  }

  /** Undefined where nothing was refused. */
  of(path: string): Counts | undefined {
    const counts = new Map(this.#counted.get(path));
    add(counts, this.#watched.get(path)?.() ?? {});
    return counts.size === 0 ? undefined : Object.fromEntries(counts);
  }

  /** Of those that refused something. */
  paths(): string[] {
    return [...new Set([...this.#counted.keys(), ...this.#watched.keys()])];
  }

  #countsOf(path: string): Map<string, number> {
    const counts = this.#counted.get(path) ?? new Map<string, number>();
    this.#counted.set(path, counts);
    return counts;
  }
}

function add(counts: Map<string, number>, more: Counts): void {
  for (const [reason, times] of Object.entries(more))
    counts.set(reason, (counts.get(reason) ?? 0) + times);
}
