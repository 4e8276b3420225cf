/**
 * Whether the farm's counters (tallies.ts) are what the tables say, and how they come to be so again: a clumsy hand, a
 * restore of some tables or a fault of a trigger may have left them wrong, and nothing else would ever mend them.
 * piw-audit calls it, beside a master that works.
 *
 * Both sides are read by one statement, so in one snapshot: whoever changes what is counted adds to the counter in
 * the same transaction, and is seen whole or not at all. So nothing has to be stopped or locked.
 */
import type { Sql, Tx } from "./connection.ts";

export interface AuditedCounter {
  readonly name: string;
  /** 0: of the whole farm. */
  readonly targetId: number;
  /** As targets are named; null for the farm, and for a target that is gone. */
  readonly target: string | null;
  readonly kept: number;
  readonly counted: number;
}

/**
 * The counters as the tables say. Those that are 0 may be missing. Without those of 0019-tokens.sql, which count builds as they
 * first ended and only ever grow: the tables do not say that any more.
 */
const counted = (tx: Tx) => tx`
  select state as name, target_id, count(*)::bigint as n from work group by state, target_id
  union all
  -- As build_tallies of 0003-statistics.sql, which who may only read may not call.
  select t.name, b.target_id, sum(t.n)::bigint
  from build b cross join lateral (values ('builds', 1), ('build_ms', coalesce(b.duration_ms, 0)::bigint),
    ('failures', (b.cause is distinct from 'built')::int),
    ('failed', (b.stands and b.cause is distinct from 'built')::int)) as t(name, n)
  where b.settled_at is not null group by t.name, b.target_id
  union all
  select c.name, f.target_id, c.n
  from (select t.target_id, count(*) as files, sum(f.size_bytes)::bigint as bytes,
          count(distinct v.package_id) as packages, count(distinct v.id) as versions
        from file f join version v on v.id = f.version_id join build b on b.token = f.token
        cross join lateral (values (0), (b.target_id)) as t(target_id)
        where f.placed_at is not null and f.removed_at is null group by t.target_id) f
  cross join lateral (values ('files', f.files), ('bytes', f.bytes),
    ('packages', f.packages), ('versions_built', f.versions)) as c(name, n)
  union all
  select 'versions', 0, count(*) from version`;

const compared = (tx: Tx) => tx`
  select name, target_id, coalesce(k.n, 0)::bigint as kept, coalesce(c.n, 0)::bigint as counted
  from (${counted(tx)}) c
  full join (select name, target_id, sum(n)::bigint as n from tally
      where not starts_with(name, 'result ') and not starts_with(name, 'seconds ')
        and not starts_with(name, 'duration_ms ') group by name, target_id) k
    using (name, target_id)`;

/** All counters, with what the tables say of each. */
export async function auditedCounters(sql: Sql): Promise<AuditedCounter[]> {
  return [
    ...(await sql<AuditedCounter[]>`
      select c.name, c.target_id as "targetId", t.name as target, c.kept, c.counted
      from (${compared(sql)}) c left join target t on t.id = c.target_id
      order by c.name, c.target_id`),
  ];
}

/**
 * Counts anew: adds to each counter what it lacks, as of all time, so that nothing of it counts as of the last hour.
 * Two at once would add it twice: the caller holds the lock of a repair.
 */
export async function recount(sql: Sql): Promise<void> {
  await sql`
    insert into tally (name, target_id, at, n)
    select name, target_id, '-infinity', counted - kept from (${compared(sql)}) c where kept <> counted`;
}
