/**
 * Leases: who may build what until when. Only the database's clock decides. A lease is taken by the
 * Architect for a slave, renewed while the slave is heard, and ends by settling (settle.ts), by
 * release, or by expiry.
 */
import { z } from "zod";
import { type BuildOrder, buildOrderSchema, tokenSchema } from "../protocol/model/build.ts";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countSchema, durationSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { PASSED_FOR_MS } from "../protocol/model/steering.ts";
import { type Tx, transaction } from "./connection.ts";
import { activateTargets, failAsPoison, leaseTrial, type Patient } from "./health.ts";
import { request } from "./request.ts";
import { lockVersions, notifyWork, type Place, placeSchema, recompute, TOP } from "./work.ts";

export const retryRuleSchema = z.object({
  /** Delay before the second try, doubled for each further one, in ms. */
  baseMs: durationSchema,
  /** Longest delay, in ms. */
  maxMs: durationSchema,
  /** Attempts after which the last cause stands as a failure. */
  maxAttempts: z.int().positive(),
});
/** How a build whose slave was lost is tried again. */
export type RetryRule = Immutable<z.infer<typeof retryRuleSchema>>;

interface OrderRow {
  token: number;
  target_id: number;
  package: string;
  version: string;
  target: string;
  filename: string;
  url: string;
  sha256: string;
  size_bytes: number | null;
  build_tag: string | null;
}

const toOrder = (row: OrderRow): BuildOrder => ({
  token: row.token,
  package: row.package,
  version: row.version,
  target: row.target,
  sdist: {
    filename: row.filename,
    url: row.url,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
  },
  buildTag: row.build_tag,
});

/**
 * The next build for a slave, or null when there is none. Asked again by a slave that holds
 * nothing it answers with the lease that the slave already has, so that a lost answer costs no build;
 * `place` is null then, for the trial of a slave that is asleep (health.ts), and where the pick went past
 * what this machine was told to drop, or had too little memory or disk for (`passed_at`).
 *
 * The pick walks `work_ready` from `below` down and skips what others hold. It locks the version too,
 * so that no recomputation can overwrite the row from a snapshot without the lease. The bound is one
 * comparison of rows, so that it is where the index is entered, also in a plan made for any bound.
 */
export const leaseBuild = request(
  {
    args: z.object({
      slaveId: rowIdSchema,
      targetIds: z.array(rowIdSchema).max(1_000),
      /** Tokens that the slave runs or still has to deliver. */
      holding: z.array(tokenSchema).max(10_000),
      leaseMs: durationSchema,
      /** Per target: the place of the last pick, at or below which the best ready row must be. */
      below: z.record(z.string().regex(/^\d{1,16}$/), placeSchema),
    }),
    result: z
      .object({ order: buildOrderSchema, targetId: rowIdSchema, place: placeSchema.nullable() })
      .nullable(),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      // One question for both, since each costs a way to the server and back: there are four to a lease.
      const [slave] = await tx<Asking[]>`
        with held as (
          update lease l set expires_at = now() + ${args.leaseMs} * interval '1 millisecond'
          where l.token = (
            select o.token from lease o
            left join work w on w.version_id = o.version_id and w.target_id = o.target_id
            where o.slave_id = ${args.slaveId} and not o.token = any(${[...args.holding]})
              and o.target_id = any(${[...args.targetIds]}) and (w.state = 'leased' or o.is_trial)
            order by o.token limit 1)
          returning l.token
        )
        select id, asleep_by, trial_not_before <= now() as is_due,
          last_seen_at < now() - interval '1 minute' as is_stale, (select token from held) as held,
          array(select b.target_id || ' ' || b.version_id
            from slave o join build b on b.slave_id = o.id
            where o.identity = s.identity and o.machine = s.machine
              and b.passed_at > now() - ${PASSED_FOR_MS} * interval '1 millisecond') as passed
        from slave s where id = ${args.slaveId}`;
      if (slave === undefined) return null;
      if (slave.is_stale) {
        await tx`update slave set last_seen_at = now() where id = ${args.slaveId}`;
        // It was silent for so long that its targets are not waited for: while the farm rested, say.
        await activateTargets(tx, args.slaveId);
      }
      if (slave.held !== null) return answer(await findOrder(tx, slave.held), null);
      if (slave.asleep_by !== null) {
        const trial = await leaseTrial(tx, slave, args.targetIds, args.leaseMs);
        return trial === undefined ? null : answer(await findOrder(tx, trial.token), null);
      }
      for (const candidate of args.targetIds) {
        const bound = args.below[candidate] ?? TOP;
        const passed = passedVersions(slave.passed, candidate);
        const [picked] = await tx<PickedRow[]>`
          with picked as (
            select w.version_id, w.target_id
            from work w join version v on v.id = w.version_id
            where w.target_id = ${candidate} and w.state = 'ready'
              and exists (select from target t where t.id = ${candidate} and t.skip is null)
              and (w.ord, w.version_id) <= (${bound.ord}::bigint, ${bound.versionId}::bigint)
              and not w.version_id = any(${passed}::bigint[])
            order by w.ord desc, w.version_id desc
            limit 1
            for update of w skip locked for no key update of v skip locked
          ),
          made as (
            insert into build (token, version_id, target_id, slave_id, sdist_sha256, build_tag)
            select nextval('build_token'), p.version_id, p.target_id, ${args.slaveId},
              (select v.sdist_sha256 from version v where v.id = p.version_id),
              (select case when bool_or(f.removed_at is not null) then
                  (1 + coalesce(max(substring(f.filename from ${BUILD_NUMBER})::bigint), 0))::text end
                from file f where f.version_id = p.version_id)
            from picked p
            returning token, version_id, target_id, build_tag
          ),
          leased as (
            insert into lease (token, version_id, target_id, slave_id, expires_at)
            select token, version_id, target_id, ${args.slaveId},
              now() + ${args.leaseMs} * interval '1 millisecond'
            from made
          ),
          marked as (
            update work w set state = 'leased'
            from made m where w.version_id = m.version_id and w.target_id = m.target_id
            returning w.ord
          )
          select ${orderColumns(tx)}, b.version_id, m.ord
          from marked m cross join made b ${orderTables(tx)}`;
        if (picked === undefined) continue;
        // What this one is not to have lies above, for others.
        const place =
          passed.length === 0 ? { ord: picked.ord, versionId: picked.version_id } : null;
        return answer(picked, place);
      }
      return null;
    }),
);

type Asking = Patient & { is_stale: boolean; held: number | null; passed: string[] };
type PickedRow = OrderRow & { ord: number; version_id: number };

/** Of a build `b`. */
const orderColumns = (tx: Tx) => tx`
  b.token, b.target_id, b.build_tag, p.name as package, v.version, t.name as target,
  v.sdist_filename as filename, v.sdist_url as url, v.sdist_sha256 as sha256,
  v.sdist_size_bytes as size_bytes`;
const orderTables = (tx: Tx) => tx`
  join version v on v.id = b.version_id
  join package p on p.id = v.package_id
  join target t on t.id = b.target_id`;

async function findOrder(tx: Tx, token: number): Promise<OrderRow | undefined> {
  const [row] = await tx<OrderRow[]>`
    select ${orderColumns(tx)} from build b ${orderTables(tx)} where b.token = ${token}`;
  return row;
}

const answer = (row: OrderRow | undefined, place: Place | null) =>
  row === undefined ? null : { order: toOrder(row), targetId: row.target_id, place };

/** From `TARGET VERSION`. */
const passedVersions = (passed: readonly string[], targetId: number): number[] =>
  passed
    .map((pair) => pair.split(" ").map(Number))
    .filter(([target]) => target === targetId)
    .map(([, version = 0]) => version);

/** The number that the build tag of a wheel's name begins with (PEP 427). */
const BUILD_NUMBER = "^[^-]+-[^-]+-([0-9]{1,9})[^-]*-[^-]+-[^-]+-[^-]+[.]whl$";

/**
 * Extends the leases of builds that were heard of, each by the slave that has it. Returns those tokens
 * that hold no lease (any more).
 */
export const renewLeases = request(
  {
    args: z.object({
      renewals: z.array(z.object({ token: tokenSchema, slaveId: rowIdSchema })).max(100_000),
      leaseMs: durationSchema,
    }),
    result: z.object({ lost: z.array(tokenSchema) }),
  },
  async (sql, args) => {
    const tokens = args.renewals.map((renewal) => renewal.token);
    const slaveIds = args.renewals.map((renewal) => renewal.slaveId);
    const kept = await sql<{ token: number }[]>`
      update lease l set expires_at = now() + ${args.leaseMs} * interval '1 millisecond'
      from unnest(${tokens}::bigint[], ${slaveIds}::int[]) as r(token, slave_id)
      where l.token = r.token and l.slave_id = r.slave_id and (l.is_trial or exists (
        select from work w where w.version_id = l.version_id and w.target_id = l.target_id
          and w.state = 'leased'))
      returning l.token`;
    await sql`
      update slave set last_seen_at = now()
      where id = any(${slaveIds}) and last_seen_at < now() - interval '1 minute'`;
    const held = new Set(kept.map((row) => row.token));
    return { lost: tokens.filter((token) => !held.has(token)) };
  },
);

/** Gives every lease at least `graceMs` from now: after the master or the database was away. */
export const extendLeases = request(
  { args: z.object({ graceMs: durationSchema }), result: countSchema },
  async (sql, args) => {
    const rows = await sql`
      update lease
      set expires_at = greatest(expires_at, now() + ${args.graceMs} * interval '1 millisecond')
      returning 1`;
    return rows.length;
  },
);

/**
 * Ends leases of builds that a slave dropped, because it was told so or because it leaves: they count
 * for nothing. Tokens that it does not hold are left alone. Those that a person had it drop are for others
 * first (`isPassed`), and should it come back with them after all it is told again.
 */
export const releaseLeases = request(
  {
    args: z.object({
      slaveId: rowIdSchema,
      tokens: z.array(tokenSchema).max(10_000),
      isPassed: z.boolean(),
      retry: retryRuleSchema,
    }),
    result: countSchema,
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      if (args.isPassed) await pass(tx, args.slaveId, args.tokens);
      const rows = await tx<{ token: number }[]>`
        select token from lease
        where slave_id = ${args.slaveId} and token = any(${[...args.tokens]})`;
      return release(
        tx,
        rows.map((row) => row.token),
        "killed",
        args.retry,
      );
    }),
);

async function pass(tx: Tx, slaveId: number, tokens: readonly number[]): Promise<void> {
  const builds = await tx<{ version_id: number }[]>`
    select distinct version_id from build
    where slave_id = ${slaveId} and token = any(${[...tokens]})`;
  await lockVersions(
    tx,
    builds.map((row) => row.version_id),
  );
  await tx`
    update build set passed_at = now()
    where slave_id = ${slaveId} and token = any(${[...tokens]})
      and settled_at is null and passed_at is null`;
}

/**
 * What time brings about: leases that ran out are released, waiting builds that are due become ready.
 * Returns how many of each.
 */
export const sweepQueue = request(
  {
    args: z.object({
      retry: retryRuleSchema,
      /**
       * A target whose slaves were all silent, or asleep, for so long is not waited for. Null: nobody is
       * listened to now.
       */
      absentMs: durationSchema.nullable(),
    }),
    result: z.object({ expired: countSchema, due: countSchema }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`
        update target t set is_active = false, requeue_from = 0
        where t.is_active and ${args.absentMs !== null} and not exists (
          select from slave_target s join slave on slave.id = s.slave_id
          where s.target_id = t.id
            and slave.last_seen_at > now() - ${args.absentMs ?? 0} * interval '1 millisecond'
            and coalesce(slave.asleep_since, 'infinity')
              > now() - ${args.absentMs ?? 0} * interval '1 millisecond')`;
      const rows = await tx<{ token: number }[]>`
        select token from lease where expires_at < now() order by token limit 1000`;
      const expired = await release(
        tx,
        rows.map((row) => row.token),
        "slave-lost",
        args.retry,
        true,
      );
      const due = await tx<{ target_id: number; version_id: number; ord: number }[]>`
        update work set state = 'ready'
        where state = 'waiting' and not_before <= now() returning target_id, version_id, ord`;
      await notifyWork(tx, due);
      return { expired, due: due.length };
    }),
);

/** The body of both releases. With `onlyExpired`, a lease renewed while we waited for its lock stays. */
export async function release(
  tx: Tx,
  tokens: readonly number[],
  cause: "slave-lost" | "killed",
  retry: RetryRule,
  onlyExpired = false,
): Promise<number> {
  if (tokens.length === 0) return 0;
  const versions = await tx<{ version_id: number }[]>`
    select distinct version_id from lease where token = any(${[...tokens]}) order by version_id`;
  const ids = versions.map((row) => row.version_id);
  await lockVersions(tx, ids);
  const gone = await tx<
    { token: number; version_id: number; target_id: number; is_trial: boolean }[]
  >`
    delete from lease
    where token = any(${[...tokens]}) and (not ${onlyExpired} or expires_at < now())
    returning token, version_id, target_id, is_trial`;
  for (const lease of gone) {
    await tx`update build set released_at = now(), cause = ${cause} where token = ${lease.token}`;
    if (cause === "slave-lost" && !lease.is_trial) {
      if (!(await failAsPoison(tx, lease))) await countAttempt(tx, lease, cause, 0, retry);
    }
  }
  await recompute(tx, ids);
  return gone.length;
}

/**
 * Counts a transient failure: another try after a growing delay, or, at the last attempt, the attempt
 * stands as a failure of that cause. `firstDelayMs` is the delay after the first attempt.
 */
export async function countAttempt(
  tx: Tx,
  attempt: { token: number; version_id: number; target_id: number },
  cause: string,
  firstDelayMs: number,
  retry: RetryRule,
): Promise<"again" | "failed"> {
  const [row] = await tx<{ attempts: number }[]>`
    insert into retry (version_id, target_id, attempts, not_before, cause)
    values (${attempt.version_id}, ${attempt.target_id}, 1,
      now() + ${firstDelayMs} * interval '1 millisecond', ${cause})
    on conflict (version_id, target_id) do update
      set attempts = retry.attempts + 1, cause = excluded.cause,
        -- None was counted yet where a runner has put it off before.
        not_before = now() + case when retry.attempts = 0 then ${firstDelayMs}::float8
          else least(${retry.baseMs} * power(2, least(retry.attempts - 1, 20)), ${retry.maxMs}) end
            * interval '1 millisecond'
    returning attempts`;
  if (row === undefined || row.attempts < retry.maxAttempts) return "again";
  await tx`
    update build set stands = true, outcome = 'failed', settled_at = now(), cause = ${cause},
      message = ${`given up after ${row.attempts} attempts`}
    where token = ${attempt.token} and settled_at is null`;
  await tx`
    delete from retry
    where version_id = ${attempt.version_id} and target_id = ${attempt.target_id}`;
  return "failed";
}
