/**
 * Removal by hand (piw-remove): Mr. Chase asks for it. What is removed is marked, not taken out of the
 * tables: leases refer to it, and the names of its files are taken for ever.
 */
import { removalSchema, removedSchema } from "../protocol/model/package-change.ts";
import { upstreamReasons } from "../protocol/model/skip-reason.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import {
  countQueue,
  findPackage,
  type KnownPackage,
  lockPackage,
  pickVersions,
  settlePackage,
} from "./subject.ts";
import { withdraw } from "./upstream.ts";

/**
 * Removes a package, some of its versions, or only what was built of them, in one transaction: its locks
 * and its length are those of a project's recording.
 */
export const removePackage = request(
  { args: removalSchema, result: removedSchema },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const known = await findPackage(tx, args.package);
      if (known === undefined) return { outcome: "unknown", versions: [] };
      const versions = await lockPackage(tx, known.id);
      const picked = pickVersions(versions, args.versions);
      // What was removed already may be removed again: then it can be kept out.
      if (picked.missing.length > 0) return { outcome: "unknown", versions: picked.missing };
      const isWhole = args.versions.length === 0;
      const ids = isWhole ? versions.map(({ id }) => id) : picked.ids;
      const queue = await countQueue(tx, known.id);
      const built = await countBuilt(tx, ids);
      await withdraw(tx, ids);
      // What failed for a while, or waits for something, is forgotten with the rest.
      await tx`delete from retry where version_id = any(${ids})`;
      await tx`delete from blocked where version_id = any(${ids})`;
      let requirements = 0;
      let ended = 0;
      if (args.isOfBuildsOnly) ended = await endLeases(tx, ids);
      else if (isWhole) requirements = await removeWhole(tx, known, args.skip);
      else await removeVersions(tx, ids, args.skip);
      const effect = await settlePackage(tx, known, queue);
      return {
        outcome: "removed",
        package: known.name,
        versions: ids.length,
        ...built,
        requirements,
        pending: effect.pending,
        dropped: effect.dropped + ended,
      };
    }),
);

/** Returns how many requirements of the wanted set named it. */
async function removeWhole(
  tx: Tx,
  { id, name }: KnownPackage,
  skip: string | null,
): Promise<number> {
  // Recorded by hand or not: should upstream have one of that name, it is upstream's from now on.
  await tx`
    update package set source = 'upstream',
      skip = coalesce(${skip}, case when skip = any(${[...upstreamReasons]}) then 'deleted'
                                    else coalesce(skip, 'deleted') end)
    where id = ${id}`;
  await tx`
    update version set skip = 'deleted'
    where package_id = ${id} and (skip is null or skip = any(${[...upstreamReasons]}))`;
  const wanted = await tx`delete from wanted where name = ${name} returning 1`;
  return wanted.length;
}

/** An operator's skip of before stays where none is said now. */
async function removeVersions(tx: Tx, ids: readonly number[], skip: string | null): Promise<void> {
  await tx`
    update version set skip = coalesce(${skip},
      case when skip is null or skip = any(${[...upstreamReasons]}) then 'deleted' else skip end)
    where id = any(${[...ids]})`;
}

/** What is being built of them began before: it is begun again, under a build tag. */
async function endLeases(tx: Tx, ids: readonly number[]): Promise<number> {
  const ended = await tx`
    with gone as (delete from lease where version_id = any(${[...ids]}) returning token)
    update build b set released_at = now(), cause = 'killed'
    from gone where b.token = gone.token returning 1`;
  return ended.length;
}

async function countBuilt(tx: Tx, ids: readonly number[]) {
  const [row] = await tx<{ builds: number; files: number }[]>`
    select (select count(*)::int from build where version_id = any(${[...ids]}) and stands) as builds,
      (select count(*)::int from file
       where version_id = any(${[...ids]}) and removed_at is null) as files`;
  return { builds: row?.builds ?? 0, files: row?.files ?? 0 };
}
