/**
 * The build queue as its page shows it: the head of it per target, what is being built, what holds up what.
 * Every part has a bound, and an index that gives its first rows without those behind them; only the blockers
 * are counted over all that is blocked.
 */
import { z } from "zod";
import {
  type QueuedBuild,
  type QueuePage,
  queuePageSchema,
  type TargetQueue,
} from "../protocol/model/farm-page.ts";
import { type Tx, transaction } from "./connection.ts";
import { request } from "./request.ts";
import { readTallies, type Tallies } from "./tallies.ts";

/** Of one target, unless there are many. */
const NEXT_SHOWN = 100;
/** Of all targets together. */
const ALL_NEXT_SHOWN = 2_000;
const BUILDING_SHOWN = 500;
const BLOCKERS_SHOWN = 50;
const RETRIES_SHOWN = 100;

export const queuePage = request(
  { args: z.null(), result: queuePageSchema, slow: true },
  // All of one moment, so that the numbers agree with the lists.
  async (sql) => transaction(sql, readQueue, { isolation: "repeatable read", readOnly: true }),
);

async function readQueue(tx: Tx): Promise<QueuePage> {
  const [farm] = await tx<{ as_of: Date; rule: QueuePage["rule"] }[]>`
    select now() as as_of, build_order as rule from configuration`;
  const tallies = await readTallies(tx);
  const total = (name: string): number => tallies(name, 0).total;
  return {
    asOf: farm?.as_of.getTime() ?? 0,
    rule: farm?.rule ?? "newest",
    queue: {
      ready: total("ready"),
      leased: total("leased"),
      waiting: total("waiting"),
      blocked: total("blocked"),
    },
    building: await readBuilding(tx),
    targets: await readTargets(tx, tallies),
    blockers: await readBlockers(tx),
    retries: await readRetries(tx),
  };
}

async function readBuilding(tx: Tx): Promise<QueuePage["building"]> {
  const rows = await tx<(Omit<QueuePage["building"][number], "since"> & { since: Date })[]>`
    select p.name as package, v.version, t.name as target, s.label as slave, b.leased_at as since,
      l.is_trial as "isTrial"
    from lease l join build b on b.token = l.token join version v on v.id = l.version_id
    join package p on p.id = v.package_id join target t on t.id = l.target_id
    join slave s on s.id = l.slave_id
    order by b.leased_at, l.token limit ${BUILDING_SHOWN}`;
  return rows.map((row) => ({ ...row, since: row.since.getTime() }));
}

/** Those that have something to do. */
async function readTargets(tx: Tx, tallies: Tallies): Promise<TargetQueue[]> {
  const rows = await tx<{ id: number; name: string; slaves: number; by_day: number | null }[]>`
    select t.id, t.name,
      (select count(*)::int from slave_target st join slave s on s.id = st.slave_id
       where st.target_id = t.id and s.last_seen_at > now() - interval '1 hour'
         and s.asleep_since is null) as slaves,
      (select avg(h.average[5])::float8 from history h
       where h.step_s = 3600 and h.kind = 'target' and h.subject = t.id
         and h.at > now() - interval '1 day') as by_day
    from target t where t.skip is null order by t.rank, t.id`;
  const busy = rows.filter(
    ({ id }) => tallies("ready", id).total > 0 || tallies("leased", id).total > 0,
  );
  const shown = Math.min(NEXT_SHOWN, Math.ceil(ALL_NEXT_SHOWN / Math.max(1, busy.length)));
  const targets: TargetQueue[] = [];
  for (const { id, name, slaves, by_day } of busy) {
    targets.push({
      target: name,
      ready: tallies("ready", id).total,
      leased: tallies("leased", id).total,
      slaves,
      buildsPerHour: slaves === 0 ? null : buildsPerHour(tallies, id, slaves, by_day ?? 0),
      next: await readNext(tx, id, shown),
    });
  }
  return targets;
}

/** What was done in the last hour; else on average of a day; else what the slaves could do. */
function buildsPerHour(
  tallies: Tallies,
  targetId: number,
  slaves: number,
  byDay: number,
): number | null {
  const { lastHour, total } = tallies("builds", targetId);
  if (lastHour > 0) return lastHour;
  if (byDay > 0) return byDay;
  const buildMs = tallies("build_ms", targetId).total;
  return total > 0 && buildMs > 0 ? (slaves * 3_600_000 * total) / buildMs : null;
}

async function readNext(tx: Tx, targetId: number, limit: number): Promise<QueuedBuild[]> {
  const rows = await tx<(Omit<QueuedBuild, "releasedAt"> & { releasedAt: Date | null })[]>`
    select p.name as package, v.version, v.priority, v.released_at as "releasedAt", p.popularity
    from (select version_id, ord from work where target_id = ${targetId} and state = 'ready'
          order by ord desc, version_id desc limit ${limit}) w
    join version v on v.id = w.version_id join package p on p.id = v.package_id
    order by w.ord desc, w.version_id desc`;
  return rows.map((row) => ({ ...row, releasedAt: row.releasedAt?.getTime() ?? null }));
}

async function readBlockers(tx: Tx): Promise<QueuePage["blockers"]> {
  const rows = await tx<QueuePage["blockers"][number][]>`
    select b.name, b.versions::int, b.requirement,
      exists (select from package p where p.name = b.name and p.skip is distinct from 'deleted') as "isKnown"
    from (
      select k.name, count(distinct k.version_id) as versions, min(k.requirement) as requirement
      from blocked k group by k.name order by versions desc, k.name limit ${BLOCKERS_SHOWN}) b
    order by b.versions desc, b.name`;
  return [...rows];
}

async function readRetries(tx: Tx): Promise<QueuePage["retries"]> {
  const rows = await tx<(Omit<QueuePage["retries"][number], "at"> & { at: Date })[]>`
    select p.name as package, v.version, t.name as target, coalesce(r.cause, '') as cause,
      coalesce(r.attempts, 0) as attempts, w.not_before as at
    from (select * from work where state = 'waiting' order by not_before limit ${RETRIES_SHOWN}) w
    left join retry r on r.version_id = w.version_id and r.target_id = w.target_id
    join version v on v.id = w.version_id join package p on p.id = v.package_id
    join target t on t.id = w.target_id
    where w.not_before is not null
    order by w.not_before, w.version_id, t.rank`;
  return rows.map((row) => ({ ...row, at: row.at.getTime() }));
}
