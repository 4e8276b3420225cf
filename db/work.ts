/**
 * The build queue as a function of the facts: `recompute` makes the rows of `work` for some versions
 * agree with packages, files, attempts, leases, retries and blocks. Nothing else writes the table, but
 * for the pick of a lease (leases.ts) and the waiting rows that have come due.
 *
 * Invariant: whoever changes a fact holds the version's lock, taken in a statement of its own. A lock
 * inside the recomputing statement would come with a snapshot from before it.
 */
import { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import type { Tx } from "./connection.ts";

/**
 * Advisory lock: shared by whoever stores versions or specifiers, exclusive to whoever adds a target,
 * since each must see what the other stores. Taken before any other lock.
 */
export const TARGETS_LOCK = "8603657889541616234";

/** `ord` is within +-2^50 (see `recompute`), so it is an exact number on both sides. */
export const ordSchema = z.int();
const versionIdSchema = z.int().nonnegative();

/** A place in the queue of a target: rows with the same `ord` go by their versions, the last one first. */
export const placeSchema = z.object({ ord: ordSchema, versionId: versionIdSchema });
export type Place = Immutable<z.infer<typeof placeSchema>>;

/** Above every place. */
export const TOP: Place = { ord: Number.MAX_SAFE_INTEGER, versionId: Number.MAX_SAFE_INTEGER };

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
 * Makes the queue's rows of these versions what the facts say, and notifies the channel `work` of what is
 * new to build: a target, how many builds, and the place of the first (`notifyWork`). The caller holds the
 * versions' locks.
 *
 * - needed: neither package, version nor target is skipped, Requires-Python admits the target, no
 *   file covers it, nor does a wheel of upstream where those count, no attempt for it stands;
 * - offered (the frontier): after a success all that is needed; while somebody builds it nothing but
 *   that; else the lowest-ranked target that has slaves, or the lowest where none has;
 * - ordered by priority (2^40 each), then by the rule. Popularity comes in buckets of 2^33, more than the
 *   seconds since 1970, so that within a bucket the newest is first.
 *
 * A trial of a slave (health.ts) is no build of the queue: its lease counts for nothing here.
 * `work` keeps a row `cancelled` for a lease that is not needed any more, until the lease has gone.
 */
export async function recompute(tx: Tx, versionIds: readonly number[]): Promise<void> {
  const ready: Ready[] = [];
  for (let start = 0; start < versionIds.length; start += CHUNK) {
    const ids = versionIds.slice(start, start + CHUNK);
    const changed = await tx<Changed[]>`
      with needed as (
        select v.id as version_id, t.id as target_id, v.priority, v.popularity, v.released_at,
          row_number() over (partition by v.id order by t.is_active desc, t.rank, t.id) as place
        from (
          select v.id, v.requires_python_id, v.priority, p.popularity, v.released_at,
            case when (select upstream_wheels from configuration) = 'count'
                 then v.upstream_tags else '{}' end as upstream_tags
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
            select from unnest(v.upstream_tags) as g(tag)
              join tag_covers c on c.tag = g.tag and c.target_id = t.id)
          and not exists (
            select from build b where b.version_id = v.id and b.target_id = t.id and b.stands)
      ),
      offered as (
        select n.* from needed n
        where exists (select from build b
                      where b.version_id = n.version_id and b.stands and b.cause = 'built')
           or exists (select from lease l
                      where l.version_id = n.version_id and l.target_id = n.target_id
                        and not l.is_trial)
           or (not exists (select from lease l
                           where l.version_id = n.version_id and not l.is_trial)
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
            + case (select build_order from configuration)
                when 'oldest' then -1 * coalesce(extract(epoch from o.released_at)::bigint, 0)
                when 'popular' then o.popularity * (1::bigint << 33)
                  + coalesce(extract(epoch from o.released_at)::bigint, 0)
                else coalesce(extract(epoch from o.released_at)::bigint, 0) end as ord,
          r.not_before
        from offered o
        left join lease l on l.version_id = o.version_id and l.target_id = o.target_id
          and not l.is_trial
        left join retry r on r.version_id = o.version_id and r.target_id = o.target_id
        union all
        select l.version_id, l.target_id, 'cancelled', 0, null
        from lease l
        where l.version_id = any(${ids}) and not l.is_trial and not exists (
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
      returning target_id, state, ord, version_id`;
    ready.push(...changed.filter((row) => row.state === "ready"));
  }
  await notifyWork(tx, ready);
}

interface Ready {
  readonly target_id: number;
  readonly version_id: number;
  readonly ord: number;
}
interface Changed extends Ready {
  readonly state: string;
}

/** Tells the listener what has become ready: for each target `TARGET COUNT ORD VERSION`, the first in the queue. */
export async function notifyWork(tx: Tx, ready: readonly Ready[]): Promise<void> {
  const byTarget = new Map<number, { count: number; first: Ready }>();
  for (const row of ready) {
    const known = byTarget.get(row.target_id) ?? { count: 0, first: row };
    known.count += 1;
    if (isBefore(row, known.first)) known.first = row;
    byTarget.set(row.target_id, known);
  }
  for (const [target, { count, first }] of byTarget) {
    const payload = [target, count, first.ord, first.version_id].join(" ");
    await tx`select pg_notify('work', ${payload})`;
  }
}

const isBefore = (a: Ready, b: Ready): boolean =>
  a.ord === b.ord ? a.version_id > b.version_id : a.ord > b.ord;
