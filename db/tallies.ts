/**
 * Counters of the farm that are kept as things change: builds by state of the queue, files and packages that
 * are published, builds that ended, versions. The triggers of 0003-statistics.sql add rows to `tally`, so a
 * counter is right in the transaction that changes it, at any size of the farm; reading sums a few thousand
 * rows. Big Brother folds them; the home page reads them too.
 */
import { z } from "zod";
import { countSchema } from "../protocol/model/scalar.ts";
import type { Sql, Tx } from "./connection.ts";
import { request } from "./request.ts";

/** Of these the last hour is told too, to a minute. */
const HOURLY = ["builds", "failures", "versions"];

export interface Tally {
  readonly total: number;
  readonly lastHour: number;
}

/** Reads one counter; the target 0 is the farm. A sum of all targets where only they are counted. */
export type Tallies = (name: string, targetId: number) => Tally;

const NOTHING: Tally = { total: 0, lastHour: 0 };

/** Counters that are kept per target only: the farm's is their sum. */
const PER_TARGET = new Set([
  ...["ready", "leased", "waiting", "blocked", "cancelled"],
  ...["builds", "build_ms", "failures", "failed"],
]);

/** All counters as they are now, whether folded or not. */
export async function readTallies(sql: Sql | Tx): Promise<Tallies> {
  const rows = await sql<{ name: string; target_id: number; total: number; hour: number }[]>`
    select name, target_id, sum(n)::bigint as total,
      coalesce(sum(n) filter (where at > now() - interval '1 hour'), 0)::bigint as hour
    from tally group by name, target_id`;
  const known = new Map<string, Tally>();
  for (const { name, target_id, total, hour } of rows) {
    // A row of the farm's own is one that was wrong once and counts nothing any more: see tally-audit.ts.
    if (target_id === 0 && PER_TARGET.has(name)) continue;
    known.set(`${name} ${target_id}`, { total, lastHour: hour });
    if (!PER_TARGET.has(name)) continue;
    const farm = known.get(`${name} 0`) ?? NOTHING;
    known.set(`${name} 0`, { total: farm.total + total, lastHour: farm.lastHour + hour });
  }
  return (name, targetId) => known.get(`${name} ${targetId}`) ?? NOTHING;
}

/**
 * Puts rows of `tally` together: those of the last hour by minutes where that is asked for, all others into
 * one per counter. Takes up to `limit` new ones and returns how many that were. What others add meanwhile, or
 * fold, is passed over; sums stay the same at every moment.
 */
export const foldTallies = request(
  {
    args: z.object({ limit: z.int().positive().max(1_000_000) }),
    result: countSchema,
    slow: true,
  },
  async (sql, args) => {
    const [row] = await sql<{ n: number }[]>`
      with young as (
        select ctid as row_id from tally where not folded
        order by at limit ${args.limit} for update skip locked
      ),
      old as (
        select ctid as row_id from tally
        where folded and at > '-infinity' and at <= now() - interval '1 hour'
        for update skip locked
      ),
      taken as (
        delete from tally t using (select row_id from young union all select row_id from old) gone
        where t.ctid = gone.row_id
        returning t.name, t.target_id, t.at, t.n
      ),
      put as (
        insert into tally (name, target_id, at, n, folded)
        select name, target_id, bucket, sum(n), true
        from (
          select name, target_id, n,
            case when name = any(${HOURLY}) and at > now() - interval '1 hour'
              then date_trunc('minute', at) else '-infinity' end as bucket
          from taken) t
        group by name, target_id, bucket
        order by name, target_id, bucket
        on conflict (name, target_id, at) where folded do update set n = tally.n + excluded.n
      )
      select count(*)::int as n from young`;
    return row?.n ?? 0;
  },
);
