/**
 * What a command line tool means: a package by any spelling that the farm has seen, and versions of it by
 * any spelling that PEP 440 calls the same; and the locks under which it is changed.
 */
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { versionSortKey } from "../protocol/packaging/version.ts";
import type { Tx } from "./connection.ts";
import { requestPages } from "./pages.ts";
import { selectWanted } from "./wanted.ts";
import { lockVersions, recompute, TARGETS_LOCK } from "./work.ts";

export interface KnownPackage {
  readonly id: number;
  readonly name: string;
  readonly source: string;
  readonly skip: string | null;
}

interface KnownVersion {
  id: number;
  version: string;
  sort_key: string;
  skip: string | null;
}

/** A package's own name comes before what is another one's alias. */
export async function findPackage(tx: Tx, spelling: string): Promise<KnownPackage | undefined> {
  const [named] = await tx<KnownPackage[]>`
    select id, name, source, skip from package where name = ${canonicalName(spelling)}`;
  if (named !== undefined) return named;
  const [aliased] = await tx<KnownPackage[]>`
    select p.id, p.name, p.source, p.skip
    from package_alias a join package p on p.id = a.package_id where a.alias = ${spelling}`;
  return aliased;
}

export const knownVersions = (tx: Tx, packageId: number): Promise<KnownVersion[]> =>
  tx<KnownVersion[]>`
    select id, version, sort_key, skip from version where package_id = ${packageId} order by id`;

/** The versions that are named; which of them were removed, and which names the farm does not know. */
export function pickVersions(
  known: readonly KnownVersion[],
  named: readonly string[],
): { ids: number[]; removed: string[]; missing: string[] } {
  const byKey = new Map(known.map((version) => [version.sort_key, version]));
  const ids = new Set<number>();
  const removed: string[] = [];
  const missing: string[] = [];
  for (const name of named) {
    const version = byKey.get(versionSortKey(name));
    if (version === undefined) missing.push(name);
    else ids.add(version.id);
    if (version?.skip === "deleted") removed.push(name);
  }
  return { ids: [...ids], removed, missing };
}

/**
 * Locks a package, against whoever records it too, and all its versions: what it gives cannot change until
 * the transaction's end.
 */
export async function lockPackage(tx: Tx, packageId: number): Promise<KnownVersion[]> {
  await tx`select pg_advisory_xact_lock_shared(${TARGETS_LOCK}::bigint)`;
  await tx`select id from package where id = ${packageId} for no key update`;
  const ids = await tx<{ id: number }[]>`
    select id from version where package_id = ${packageId} order by id`;
  await lockVersions(
    tx,
    ids.map((row) => row.id),
  );
  return knownVersions(tx, packageId);
}

/**
 * Makes the queue and the pages of a locked package what its facts are now. Gives the builds that are on
 * the queue now, and how many more than `before` slaves are told to drop.
 */
export async function settlePackage(
  tx: Tx,
  { id, name }: KnownPackage,
  before: QueueCount,
): Promise<{ pending: number; dropped: number }> {
  await selectWanted(tx, id);
  const versions = await knownVersions(tx, id);
  await recompute(
    tx,
    versions.map((version) => version.id),
  );
  await requestPages(tx, [
    { kind: "simple", key: name },
    { kind: "project", key: name },
    { kind: "root", key: name },
    { kind: "home", key: "" },
  ]);
  const after = await countQueue(tx, id);
  return { pending: after.pending, dropped: Math.max(0, after.cancelled - before.cancelled) };
}

interface QueueCount {
  readonly pending: number;
  readonly leased: number;
  readonly cancelled: number;
}

/** Of a package; of some of its versions where they are given. */
export async function countQueue(
  tx: Tx,
  packageId: number,
  versionIds: readonly number[] | null = null,
): Promise<QueueCount> {
  const [row] = await tx<QueueCount[]>`
    select count(*) filter (where w.state in ('ready', 'waiting', 'blocked'))::int as pending,
      count(*) filter (where w.state = 'leased')::int as leased,
      count(*) filter (where w.state = 'cancelled')::int as cancelled
    from work w join version v on v.id = w.version_id
    where v.package_id = ${packageId}
      and (${versionIds === null} or v.id = any(${[...(versionIds ?? [])]}))`;
  return row ?? { pending: 0, leased: 0, cancelled: 0 };
}
