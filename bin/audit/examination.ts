/**
 * How piw-audit judges: what looks wrong is looked at again after a moment, with what the database says by then,
 * since a master may be at work on it. What is wrong still is a finding; with `--repair` it is mended, then
 * looked at once more.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Sql } from "../../db/connection.ts";
import type { Storage, TreeInspection } from "../../web/storage.ts";

export interface Problem {
  /** A word for it, such as `missing`. */
  readonly kind: string;
  /** Below the output folder. */
  readonly place: string;
  readonly detail: string;
  /** Undefined: nothing that this program can do. Says what was done. */
  readonly mend?: ((storage: Storage) => Promise<string>) | undefined;
}

/** `done` is what was done about it; undefined: nothing, `failure` says why not where it was tried. */
export interface Finding extends Pick<Problem, "kind" | "place" | "detail"> {
  readonly done: string | undefined;
  readonly failure: string | undefined;
}

export interface Audit {
  readonly sql: Sql;
  readonly tree: TreeInspection;
  /** Undefined: nothing is to be changed. */
  readonly storage: Storage | undefined;
  /** Contents are not read. */
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
  report(finding: Finding): void;
  /** So many more of these were looked at. */
  looked(what: string, count: number): void;
}

/** What a master does between two steps takes less. */
const SECOND_LOOK_MS = 1_000;
/** Problems of one thing that are mended one after the other: its file, its metadata, its blob. */
const MAX_MENDS = 6;

interface Subjects<T> {
  readonly what: string;
  readonly items: readonly T[];
  look(item: T): Promise<readonly Problem[]>;
  /** Those of the items that are still to be judged, as they are now. */
  refresh(items: readonly T[]): Promise<readonly T[]>;
}

export async function examine<T>(audit: Audit, subjects: Subjects<T>): Promise<void> {
  const { items, look, refresh } = subjects;
  const suspects: T[] = [];
  for (const item of items) {
    audit.signal.throwIfAborted();
    if ((await look(item)).length > 0) suspects.push(item);
  }
  audit.looked(subjects.what, items.length);
  if (suspects.length === 0) return;
  await delay(SECOND_LOOK_MS, undefined, { signal: audit.signal });
  for (const item of await refresh(suspects)) {
    audit.signal.throwIfAborted();
    const problems = await look(item);
    if (audit.storage === undefined) for (const problem of problems) told(audit, problem);
    else await mendAll(audit, audit.storage, item, subjects);
  }
}

async function mendAll<T>(
  audit: Audit,
  storage: Storage,
  item: T,
  { look, refresh }: Subjects<T>,
): Promise<void> {
  const tried = new Set<string>();
  let now: T | undefined = item;
  for (let round = 0; round < MAX_MENDS && now !== undefined; round += 1) {
    const problems: readonly Problem[] = await look(now);
    const next = problems.find(({ kind, place }) => !tried.has(`${kind} ${place}`));
    if (next === undefined) return;
    tried.add(`${next.kind} ${next.place}`);
    if (next.mend === undefined) told(audit, next);
    else {
      try {
        told(audit, next, await next.mend(storage));
      } catch (error) {
        audit.signal.throwIfAborted();
        told(audit, next, undefined, error instanceof Error ? error.message : String(error));
      }
    }
    [now] = await refresh([now]);
  }
}

function told(
  audit: Audit,
  { kind, place, detail }: Problem,
  done?: string,
  failure?: string,
): void {
  audit.report({ kind, place, detail, done, failure });
}

/** A list in stretches, for what comes one by one. */
export async function* batches<T>(source: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of source) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
