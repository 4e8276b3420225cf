/**
 * The build queue as a function of the facts: `recompute` makes the rows of `work` for some versions
 * agree with packages, files, attempts, leases, retries and blocks. Nothing else writes the table, but
 * for the pick of a lease (leases.ts) and the waiting rows that have come due.
 *
 * Invariant: whoever changes a fact holds the version's lock, taken in a statement of its own. A lock
 * inside the recomputing statement would come with a snapshot from before it.
 */
import type { Tx } from "./connection.ts";

/**
 * Advisory lock: shared by whoever stores versions or specifiers, exclusive to whoever adds a target,
 * since each must see what the other stores. Taken before any other lock.
 */
export const TARGETS_LOCK = "8603657889541616234";

/** Versions whose rows are computed by one statement. Keeps a project of thousands from one huge plan. */
const CHUNK = 500;

/**
 * Takes the locks that any change of queue facts needs: the packages `for share` (skipping one takes a
 * stronger lock), then the versions in ascending id `for no key update`, each in its own statement.
 * Two callers with the same versions wait for each other here and nowhere else.
 */
export async function lockVersions(tx: Tx, versionIds: readonly number[]): Promise<void> {
  if (versionIds.length === 0) return;
  const ids = [...versionIds];
  await tx`
    select p.id from package p
    where p.id in (select v.package_id from version v where v.id = any(${ids}))
    order by p.id for share`;
  await tx`select v.id from version v where v.id = any(${ids}) order by v.id for no key update`;
}

/**
 * Makes the queue's rows of these versions what the facts say, and notifies the channel `work` with
 * the targets that have something new to build. The caller holds the versions' locks.
 *
 * - needed: neither package, version nor target is skipped, Requires-Python admits the target, no
 *   file covers it, no attempt for it stands;
 * - offered (the frontier): after a success all that is needed; while somebody builds it nothing but
 *   that; else the lowest-ranked target that has slaves, or the lowest where none has.
 *
 * `work` keeps a row `cancelled` for a lease that is not needed any more, until the lease has gone.
 */
export async function recompute(tx: Tx, versionIds: readonly number[]): Promise<void> {
  const targets = new Set<number>();
  for (let start = 0; start < versionIds.length; start += CHUNK) {
    const ids = versionIds.slice(start, start + CHUNK);
    const changed = await tx<{ target_id: number; state: string }[]>`
      with needed as (
        select v.id as version_id, t.id as target_id, v.priority, v.released_at,
          row_number() over (partition by v.id order by t.is_active desc, t.rank, t.id) as place
        from (
          select v.id, v.requires_python_id, v.priority, v.released_at
          from version v join package p on p.id = v.package_id
          where v.id = any(${ids}) and p.skip is null and v.skip is null and v.wanted
            and v.sdist_sha256 is not null
        ) v
        cross join target t
        where t.skip is null
          and (v.requires_python_id is null or exists (
            select from requires_admits a
            where a.requires_id = v.requires_python_id and a.target_id = t.id))
          and not exists (
            select from file f cross join unnest(f.tags) as g(tag)
              join tag_covers c on c.tag = g.tag and c.target_id = t.id
            where f.version_id = v.id and f.removed_at is null)
          and not exists (
            select from build b where b.version_id = v.id and b.target_id = t.id and b.stands)
      ),
      offered as (
        select n.* from needed n
        where exists (select from build b
                      where b.version_id = n.version_id and b.stands and b.cause = 'built')
           or exists (select from lease l
                      where l.version_id = n.version_id and l.target_id = n.target_id)
           or (not exists (select from lease l where l.version_id = n.version_id)
               and n.place = 1)
      ),
      desired as (
        select o.version_id, o.target_id,
          case when l.token is not null then 'leased'
               when exists (select from blocked b
                            where b.version_id = o.version_id and b.target_id = o.target_id)
                 then 'blocked'
               when r.not_before > now() then 'waiting'
               else 'ready' end as state,
          o.priority * (1::bigint << 40)
            + case when (select build_order from configuration) = 'oldest' then -1 else 1 end
              * coalesce(extract(epoch from o.released_at)::bigint, 0) as ord,
          r.not_before
        from offered o
        left join lease l on l.version_id = o.version_id and l.target_id = o.target_id
        left join retry r on r.version_id = o.version_id and r.target_id = o.target_id
        union all
        select l.version_id, l.target_id, 'cancelled', 0, null
        from lease l
        where l.version_id = any(${ids}) and not exists (
          select from offered o where o.version_id = l.version_id and o.target_id = l.target_id)
      ),
      gone as (
        delete from work w
        where w.version_id = any(${ids}) and not exists (
          select from desired d where d.version_id = w.version_id and d.target_id = w.target_id)
      )
      insert into work (version_id, target_id, state, ord, not_before)
      select version_id, target_id, state, ord, not_before from desired
      on conflict (version_id, target_id) do update
        set state = excluded.state, ord = excluded.ord, not_before = excluded.not_before
        where (work.state, work.ord, work.not_before)
          is distinct from (excluded.state, excluded.ord, excluded.not_before)
      returning target_id, state`;
    for (const row of changed) if (row.state === "ready") targets.add(row.target_id);
  }
  for (const target of targets) await tx`select pg_notify('work', ${String(target)})`;
}
