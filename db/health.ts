/**
 * Slaves and builds that do harm, decided here and nowhere else. leases.ts and settle.ts call it.
 *
 * A black-hole slave fails build after build while its peers do not (a broken compiler, a full disk): it is
 * put to sleep, what it failed since its last success goes back on the queue, and from time to time it is
 * given a build that another slave has made, its trial, which publishes nothing; when one succeeds it is
 * awake again. A poison build takes its slave down wherever it goes: it fails with that cause.
 *
 * A person may put a slave to sleep too (steering.ts): that one gets no trials, and only a person wakes it.
 *
 * All of it is in the database: `slave.asleep_since` and `asleep_by`, `build.is_trial`, the builds themselves.
 */
import { z } from "zod";
import { countSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { MOST_SLAVES_LISTED, sleeperSchema } from "../protocol/model/sleeper.ts";
import { type Sql, type Tx, transaction } from "./connection.ts";
import type { RetryRule } from "./leases.ts";
import { request } from "./request.ts";
import { lockVersions, recompute } from "./work.ts";

/** A slave that asks for a build. */
export interface Patient {
  readonly id: number;
  /** Null: it is awake. */
  readonly asleep_by: "person" | "farm" | null;
  /** Its next trial may begin. */
  readonly is_due: boolean;
}

/** As many different packages in a row, at least, before a slave is suspected. */
const FAILURES_MIN = 5;
/** And so many as its peers would fail in a row once in a thousand times. */
const CHANCE = 0.001;
/** What the peers did lately is judged by so many of their builds, and by no fewer than PEERS_MIN. */
const PEERS_SEEN = 200;
const PEERS_MIN = 5;
/** More failures than any slave has before it is noticed. */
const RETURNED_MAX = 1_000;
/** A build that was lost with so many different machines is not given to another. */
const POISON_MACHINES = 3;

/** Not the slave's doing: it was told to stop, or the build waits for something that nobody has. */
const INNOCENT = ["built", "killed", "dependency-missing", "deferred"];

/**
 * Judges a slave after one of its builds has failed, and puts it to sleep when it fails unlike its peers. A
 * transaction of its own, since it locks the versions of all its failures in order.
 */
export async function judgeSlave(sql: Sql, slaveId: number): Promise<void> {
  const [slave] = await sql<{ asleep: boolean; last_success: number }[]>`
    select asleep_since is not null as asleep,
      greatest(s.judged_from, (select max(b.token) from build b
        where b.slave_id = s.id and b.cause = 'built' and b.settled_at is not null))
        as last_success
    from slave s where s.id = ${slaveId}`;
  if (slave === undefined || slave.asleep) return;
  const failures = await sql<{ version_id: number; package_id: number }[]>`
    select b.version_id, v.package_id
    from build b join version v on v.id = b.version_id
    where b.slave_id = ${slaveId} and b.token > ${slave.last_success}
      and b.settled_at is not null and not b.cause = any(${INNOCENT})
      -- What another slave has failed too says nothing of this one.
      and not exists (select from build o
        where o.version_id = b.version_id and o.target_id = b.target_id
          and o.slave_id <> b.slave_id and o.settled_at is not null and not o.is_trial
          and not o.cause = any(${INNOCENT}))
    order by b.token desc limit ${RETURNED_MAX}`;
  const packages = new Set(failures.map((row) => row.package_id)).size;
  if (packages < FAILURES_MIN || !(await isUnlikePeers(sql, slaveId, packages))) return;
  const versionIds = [...new Set(failures.map((row) => row.version_id))].sort((a, b) => a - b);
  await transaction(sql, async (tx) => {
    await lockVersions(tx, versionIds);
    const put = await tx`
      update slave set asleep_since = now(), asleep_by = 'farm', trials = 0, trial_not_before = '-infinity',
        asleep_why = ${`${packages} packages failed one after another, and not with its peers`}
      where id = ${slaveId} and asleep_since is null returning 1`;
    if (put.length === 0) return;
    // Whatever it failed may well be sound: others try.
    await tx`
      delete from retry r using build b
      where b.slave_id = ${slaveId} and b.token > ${slave.last_success}
        and b.version_id = any(${versionIds}) and b.settled_at is not null
        and r.version_id = b.version_id and r.target_id = b.target_id`;
    await tx`
      update build set stands = false
      where slave_id = ${slaveId} and token > ${slave.last_success} and stands
        and version_id = any(${versionIds})`;
    await recompute(tx, versionIds);
  });
}

/** Whether its peers would hardly have failed so many in a row: those who build for a target of its own. */
async function isUnlikePeers(sql: Sql, slaveId: number, inARow: number): Promise<boolean> {
  const [peers] = await sql<{ builds: number; failed: number }[]>`
    select count(*)::int as builds, count(*) filter (where cause <> 'built')::int as failed
    from (
      select b.cause from build b
      where b.settled_at is not null and b.slave_id <> ${slaveId}
        and not b.cause = any(${INNOCENT.slice(1)})
        and not exists (select from import i where i.token = b.token)
        and exists (select from slave_target s
                    where s.slave_id = ${slaveId} and s.target_id = b.target_id)
      order by b.settled_at desc limit ${PEERS_SEEN}
    ) lately`;
  if (peers === undefined || peers.builds < PEERS_MIN) return false;
  // One failure and one success more than there were: of few builds one does not conclude `never`.
  const chance = (peers.failed + 1) / (peers.builds + 2);
  return chance ** inARow < CHANCE;
}

/** A build that another slave has made, for a slave that is asleep and due; one of the last ones. */
export async function leaseTrial(
  tx: Tx,
  slave: Patient,
  targetIds: readonly number[],
  leaseMs: number,
): Promise<{ token: number; target_id: number } | undefined> {
  if (slave.asleep_by !== "farm" || !slave.is_due) return undefined;
  const [known] = await tx<{ version_id: number; target_id: number }[]>`
    select version_id, target_id from (
      select b.version_id, b.target_id, b.duration_ms
      from build b
      join version v on v.id = b.version_id and v.skip is null and v.sdist_sha256 is not null
      join package p on p.id = v.package_id and p.skip is null
      where b.target_id = any(${[...targetIds]}) and b.stands and b.cause = 'built'
        and b.slave_id <> ${slave.id} and not b.is_trial
        -- What is imported is often what cannot be built here.
        and not exists (select from import i where i.token = b.token)
      order by b.token desc limit 50
    ) lately
    -- Not the same one each time: it may be one that only others can build.
    order by random() limit 1`;
  if (known === undefined) {
    // What its peers had made was withdrawn: only the queue itself can tell now.
    await wakeFromFarm(tx, slave.id);
    return undefined;
  }
  const [made] = await tx<{ token: number; target_id: number }[]>`
    with made as (
      insert into build (token, version_id, target_id, slave_id, is_trial)
      select nextval('build_token'), ${known.version_id}, ${known.target_id}, ${slave.id}, true
      returning token, version_id, target_id, slave_id
    )
    insert into lease (token, version_id, target_id, slave_id, expires_at, is_trial)
    select token, version_id, target_id, slave_id,
      now() + ${leaseMs} * interval '1 millisecond', true
    from made returning token, target_id`;
  // Also for a trial that is lost: the next one waits longer.
  await tx`update slave set trial_not_before = now() + interval '1 minute' where id = ${slave.id}`;
  return made;
}

/** What a trial says of its slave: awake, or asleep until the next one. */
export async function endTrial(
  tx: Tx,
  slaveId: number,
  hasSucceeded: boolean,
  retry: RetryRule,
): Promise<void> {
  if (hasSucceeded) {
    await wakeFromFarm(tx, slaveId);
    return;
  }
  await tx`
    update slave set trials = trials + 1,
      trial_not_before = now()
        + least(${retry.baseMs} * power(2, least(trials, 20)), ${retry.maxMs})
          * interval '1 millisecond'
    where id = ${slaveId}`;
}

/**
 * Has the frontier wait for the targets of a slave that is there: it has been heard of, or is awake again.
 * Nobody waits for one that is asleep for long. Returns whether any target was not waited for before.
 */
export async function activateTargets(tx: Tx, slaveId: number): Promise<boolean> {
  const rows = await tx`
    update target set is_active = true, requeue_from = 0
    where not is_active
      and id in (select target_id from slave_target where slave_id = ${slaveId})
      and exists (select from slave where id = ${slaveId}
        and coalesce(asleep_since, 'infinity') > now() - interval '1 hour')
    returning 1`;
  return rows.length > 0;
}

/** Not one that a person has put to sleep meanwhile. */
async function wakeFromFarm(tx: Tx, slaveId: number): Promise<void> {
  const [slave] = await tx`
    select 1 from slave where id = ${slaveId} and asleep_by = 'farm' for no key update`;
  if (slave !== undefined) await wakeSlave(tx, slaveId);
}

/** Returns whether it was asleep. What it did until now says nothing of it any more. */
export async function wakeSlave(tx: Tx, slaveId: number): Promise<boolean> {
  const rows = await tx`
    update slave set asleep_since = null, asleep_by = null, asleep_why = '', trials = 0,
      trial_not_before = '-infinity',
      judged_from = coalesce((select max(token) from build where slave_id = ${slaveId}), 0)
    where id = ${slaveId} and asleep_since is not null returning 1`;
  if (rows.length > 0) await activateTargets(tx, slaveId);
  return rows.length > 0;
}

/** Who is asleep, in short: the Slave Driver looks every few seconds. */
export const asleepSlaves = request(
  {
    args: z.null(),
    result: z
      .array(z.object({ id: rowIdSchema, by: sleeperSchema, why: z.string() }))
      .max(MOST_SLAVES_LISTED),
  },
  async (sql) => [
    ...(await sql<{ id: number; by: "person" | "farm"; why: string }[]>`
      select id, asleep_by as by, left(asleep_why, 2000) as why from slave
      where asleep_since is not null order by last_seen_at desc limit ${MOST_SLAVES_LISTED}`),
  ],
);

/** Slaves that are asleep, for whoever looks at the farm. */
export const sleepingSlaves = request(
  {
    args: z.null(),
    result: z.array(
      z.object({
        slaveId: rowIdSchema,
        label: z.string(),
        by: sleeperSchema,
        why: z.string(),
        trials: countSchema,
      }),
    ),
  },
  async (sql) => [
    ...(await sql<
      { slaveId: number; label: string; by: "person" | "farm"; why: string; trials: number }[]
    >`
      select id as "slaveId", label, asleep_by as by, asleep_why as why, trials from slave
      where asleep_since is not null order by label limit 100`),
  ],
);

/**
 * Fails a build that has taken several machines down: each of them had a lease of it when it was lost. Returns
 * whether it did. A result that comes after all still counts (`givenUp` in settle.ts).
 */
export async function failAsPoison(
  tx: Tx,
  build: { readonly token: number; readonly version_id: number; readonly target_id: number },
): Promise<boolean> {
  const [lost] = await tx<{ machines: number; labels: string }[]>`
    select count(*)::int as machines, coalesce(string_agg(label, ', ' order by label), '') as labels
    from (
      -- The jobs of one process go down together: they are one.
      select min(s.label) as label from build b join slave s on s.id = b.slave_id
      where b.version_id = ${build.version_id} and b.target_id = ${build.target_id}
        and b.cause = 'slave-lost' and not b.is_trial
        -- Since it was last built, or what was built of it removed.
        and b.token > coalesce((select max(o.token) from build o
          where o.version_id = b.version_id and o.target_id = b.target_id
            and o.settled_at is not null), 0)
      group by s.identity, s.machine
    ) lost`;
  if (lost === undefined || lost.machines < POISON_MACHINES) return false;
  await tx`
    update build set stands = true, outcome = 'failed', settled_at = now(), cause = 'poison',
      message = ${`the slaves that had it were lost: ${lost.labels}`.slice(0, 500)}
    where token = ${build.token} and settled_at is null`;
  await tx`
    delete from retry
    where version_id = ${build.version_id} and target_id = ${build.target_id}`;
  return true;
}

/** A transaction that is open for longer holds up the sweeping of dead rows. */
const OLD_TRANSACTION_S = 300;
/** As many dead rows as make the first pick after a start slow. */
const DEAD_ROWS_MAX = 200_000;

/** What ails the queue's tables, in one line; null when all is well. */
export const queueHealth = request(
  { args: z.null(), result: z.object({ trouble: z.string().nullable() }) },
  async (sql) => {
    // Of other roles' sessions PostgreSQL shows no times: hence the second look, at what they cause.
    const [oldest] = await sql<{ pid: number; name: string; minutes: number }[]>`
      select pid, application_name as name,
        floor(extract(epoch from now() - xact_start) / 60)::int as minutes
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()
        and xact_start < now() - ${OLD_TRANSACTION_S} * interval '1 second'
        and backend_type = 'client backend'
      order by xact_start limit 1`;
    if (oldest !== undefined)
      return {
        trouble: `a transaction is open for ${oldest.minutes} minutes (${oldest.name}, process ${oldest.pid}): dead rows of the queue cannot be swept until it ends`,
      };
    const [work] = await sql<{ dead: number }[]>`
      select coalesce(n_dead_tup, 0)::int as dead from pg_stat_user_tables
      where schemaname = 'public' and relname = 'work'`;
    if ((work?.dead ?? 0) > DEAD_ROWS_MAX)
      return {
        trouble: `the queue's table has ${work?.dead} dead rows: is a transaction open for long, or autovacuum off?`,
      };
    return { trouble: null };
  },
);
