/**
 * What a batch of visits adds to the counts by day, gathered before it goes to PostgreSQL: a batch has thousands of
 * rows and a few hundred packages and clients, so that counting there would cost more than storing. Called by
 * access-log.ts with each batch.
 */
import type { AccessBatch, AccessKind } from "../protocol/model/access.ts";

const DAY_MS = 86_400_000;

/** Downloads and searches of a package on a day. */
interface PackageCount {
  readonly package: string;
  readonly day: string;
  downloads: number;
  searches: number;
}

interface Count<K> {
  readonly of: K;
  readonly day: string;
  visits: number;
}

export interface AccessCounts {
  readonly packages: readonly PackageCount[];
  readonly kinds: readonly Count<AccessKind>[];
  /** Downloads by client, named by its index. */
  readonly clients: readonly Count<number>[];
}

/** Days are those of UTC, as text that PostgreSQL reads as a date. */
export function countAccess(batch: AccessBatch): AccessCounts {
  const packages = new Map<string, PackageCount>();
  const kinds = new Map<string, Count<AccessKind>>();
  const clients = new Map<string, Count<number>>();
  let dayNumber = Number.NaN;
  let day = "";
  for (let row = 0; row < batch.kinds.length; row += 1) {
    const kind = batch.kinds[row] as AccessKind;
    const number = Math.floor((batch.ats[row] as number) / DAY_MS);
    if (number !== dayNumber) {
      dayNumber = number;
      day = new Date(number * DAY_MS).toISOString().slice(0, 10);
    }
    add(kinds, kind, day);
    if (kind === "download") add(clients, batch.clientOf[row] as number, day);
    if (kind !== "download" && kind !== "search") continue;
    const name = batch.packages[row];
    if (name === null || name === undefined) continue;
    const key = `${day} ${name}`;
    let count = packages.get(key);
    if (count === undefined) {
      count = { package: name, day, downloads: 0, searches: 0 };
      packages.set(key, count);
    }
    if (kind === "download") count.downloads += 1;
    else count.searches += 1;
  }
  return {
    packages: [...packages.values()],
    kinds: [...kinds.values()],
    clients: [...clients.values()],
  };
}

function add<K extends string | number>(counts: Map<string, Count<K>>, of: K, day: string): void {
  const key = `${day} ${of}`;
  const count = counts.get(key);
  if (count === undefined) counts.set(key, { of, day, visits: 1 });
  else count.visits += 1;
}
