/**
 * Slaves and the targets that they bring. HELLO is one transaction: the slave is known by its proven
 * identity, targets that are new get their tags, and its leases are compared with what it says it
 * holds, so that nothing is built twice and nothing is waited for in vain.
 */
import { z } from "zod";
import { tokenSchema } from "../protocol/model/build.ts";
import { hostFactsSchema } from "../protocol/model/host.ts";
import { durationSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { type BuildInHand, buildInHandSchema } from "../protocol/model/slave-now.ts";
import { type TargetSpec, targetSpecSchema } from "../protocol/model/target.ts";
import { textSchema } from "../protocol/model/text.ts";
import { requiresPythonAdmits } from "../protocol/packaging/requires-python.ts";
import { type Tx, transaction } from "./connection.ts";
import { activateTargets } from "./health.ts";
import { release, retryRuleSchema } from "./leases.ts";
import { request } from "./request.ts";
import { givenUp } from "./settle.ts";
import { reselect } from "./wanted.ts";
import { lockVersions, recompute, TARGETS_LOCK } from "./work.ts";

/** More targets than any farm has; a slave that invents them stops here. */
const MAX_TARGETS = 500;

export const helloSlave = request(
  {
    args: z.object({
      identity: z.string().max(200),
      slot: z.string().max(200),
      label: textSchema(100),
      productVersion: z.string().max(50),
      host: hostFactsSchema,
      targets: z.array(targetSpecSchema).min(1).max(20),
      running: z.array(tokenSchema).max(1_000),
      finished: z.array(tokenSchema).max(1_000),
      leaseMs: durationSchema,
      retry: retryRuleSchema,
    }),
    result: z.object({
      slaveId: rowIdSchema,
      targetIds: z.array(rowIdSchema),
      /** Tokens that it lists and that are settled, cancelled, or somebody else's: to be dropped. */
      drop: z.array(tokenSchema),
      /** Of these, those of its own that are settled: nothing of them is wanted any more. */
      settled: z.array(tokenSchema),
      /** A target came that the farm did not know: versions are to be requeued. */
      isNewTarget: z.boolean(),
      /** Why a person has put it to sleep. */
      asleep: z.string().nullable(),
      /** What it goes on with. */
      inHand: buildInHandSchema.nullable(),
    }),
  },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      const [slave] = await tx<{ id: number; asleep: string | null }[]>`
        insert into slave (identity, slot, label, product_version, hostname, os, board)
        values (${args.identity}, ${args.slot}, ${args.label}, ${args.productVersion},
          ${args.host.hostname}, ${args.host.os}, ${args.host.board})
        on conflict (identity, slot) do update set label = excluded.label,
          product_version = excluded.product_version, hostname = excluded.hostname,
          os = excluded.os, board = excluded.board, last_seen_at = now()
        returning id, case when asleep_by = 'person' then asleep_why end as asleep`;
      const slaveId = slave?.id ?? 0;
      const targetIds: number[] = [];
      let isNewTarget = false;
      for (const spec of args.targets) {
        const target = await ensureTarget(tx, spec);
        targetIds.push(target.id);
        isNewTarget ||= target.isNew;
        await tx`
          insert into slave_target (slave_id, target_id) values (${slaveId}, ${target.id})
          on conflict do nothing`;
      }
      await tx`
        delete from slave_target where slave_id = ${slaveId} and not target_id = any(${targetIds})`;
      const isAwaited = await activateTargets(tx, slaveId);
      isNewTarget ||= isAwaited;
      const listed = [...args.running, ...args.finished];
      const lost = await tx<{ token: number }[]>`
        select token from lease where slave_id = ${slaveId} and not token = any(${listed})`;
      // All versions at once and in order, or two slaves could wait for each other.
      const concerned = await tx<{ version_id: number }[]>`
        select distinct version_id from build
        where token = any(${[...listed, ...lost.map((row) => row.token)]})`;
      await lockVersions(
        tx,
        concerned.map((row) => row.version_id),
      );
      await release(
        tx,
        lost.map((row) => row.token),
        "slave-lost",
        args.retry,
      );
      const drop: number[] = [];
      for (const token of listed) {
        const keeps = await keep(tx, slaveId, token, args.leaseMs, args.finished.includes(token));
        if (!keeps) drop.push(token);
      }
      const settled = await tx<{ token: number }[]>`
        select token from build
        where token = any(${drop}) and slave_id = ${slaveId} and settled_at is not null
        order by token`;
      const kept = args.running.find((token) => !drop.includes(token));
      return {
        slaveId,
        inHand: kept === undefined ? null : await findInHand(tx, kept),
        targetIds,
        drop,
        settled: settled.map(({ token }) => token),
        isNewTarget,
        asleep: slave?.asleep ?? null,
      };
    }),
);

async function findInHand(tx: Tx, token: number): Promise<BuildInHand | null> {
  const [build] = await tx<(Omit<BuildInHand, "sinceAt"> & { readonly leasedAt: Date })[]>`
    select b.token, p.name as package, v.version, t.name as target, b.leased_at as "leasedAt"
    from build b
    join version v on v.id = b.version_id join package p on p.id = v.package_id
    join target t on t.id = b.target_id
    where b.token = ${token}`;
  if (build === undefined) return null;
  const { leasedAt, ...named } = build;
  return { ...named, sinceAt: leasedAt.getTime() };
}

/** Whether the slave should go on with a token that it lists. Takes an expired lease back where it can. */
async function keep(
  tx: Tx,
  slaveId: number,
  token: number,
  leaseMs: number,
  isFinished: boolean,
): Promise<boolean> {
  const [build] = await tx<
    {
      version_id: number;
      target_id: number;
      settled: boolean;
      given_up: boolean;
      is_trial: boolean;
      is_passed: boolean;
    }[]
  >`
    select version_id, target_id, settled_at is not null as settled, is_trial,
      passed_at is not null as is_passed,
      ${givenUp(tx)} as given_up
    from build where token = ${token} and slave_id = ${slaveId}`;
  if (build === undefined) return false;
  if (build.settled) return build.given_up && isFinished;
  // A person had it drop this one, and that was lost on the way.
  if (build.is_passed) return isFinished;
  if (build.is_trial) {
    const held = await tx`
      update lease set expires_at = now() + ${leaseMs} * interval '1 millisecond'
      where token = ${token} returning 1`;
    return held.length > 0 || isFinished;
  }
  const [work] = await tx<{ state: string; token: number | null }[]>`
    select w.state, l.token from work w
    left join lease l on l.version_id = w.version_id and l.target_id = w.target_id
      and not l.is_trial
    where w.version_id = ${build.version_id} and w.target_id = ${build.target_id}`;
  // A finished build is delivered whatever became of its lease: settling decides.
  if (work === undefined || work.state === "cancelled") return isFinished;
  if (work.token !== null && work.token !== token) return isFinished;
  await tx`
    insert into lease (token, version_id, target_id, slave_id, expires_at)
    values (${token}, ${build.version_id}, ${build.target_id}, ${slaveId},
      now() + ${leaseMs} * interval '1 millisecond')
    on conflict (token) do update set expires_at = excluded.expires_at`;
  await tx`update build set released_at = null, cause = null where token = ${token}`;
  await recompute(tx, [build.version_id]);
  return true;
}

/** A target is what its first slave said it is; its rank follows the Python version. */
export async function ensureTarget(
  tx: Tx,
  spec: TargetSpec,
): Promise<{ id: number; isNew: boolean }> {
  const find = () => tx<{ id: number }[]>`select id from target where name = ${spec.name}`;
  const [known] = await find();
  if (known !== undefined) return { id: known.id, isNew: false };
  // Whoever records a project now has either committed, or will see the new target.
  await tx`select pg_advisory_xact_lock(${TARGETS_LOCK}::bigint)`;
  const [rival] = await find();
  if (rival !== undefined) return { id: rival.id, isNew: false };
  const [count] = await tx<{ n: number }[]>`select count(*)::int as n from target`;
  if ((count?.n ?? 0) >= MAX_TARGETS)
    throw new Error(`${spec.name} would be one target too many: the farm has ${MAX_TARGETS}`);
  const [major = 0, minor = 0] = spec.pythonVersion.split(".").map(Number);
  const [made] = await tx<{ id: number }[]>`
    insert into target (name, implementation, python_version, python_full_version, abi_tag,
      platform_tag, rank)
    values (${spec.name}, ${spec.implementation}, ${spec.pythonVersion},
      ${spec.pythonFullVersion}, ${spec.abiTag}, ${spec.platformTag}, ${major * 1000 + minor})
    returning id`;
  if (made === undefined) throw new Error(`${spec.name} could not be stored`);
  await tx`
    insert into tag_covers (tag, target_id)
    select distinct t, ${made.id}::int from unnest(${spec.tags}::text[]) as g(t)`;
  const specifiers = await tx<{ id: number; specifier: string }[]>`
    select id, specifier from requires_python`;
  const admitted = specifiers
    .filter(({ specifier }) => requiresPythonAdmits(specifier, spec.pythonFullVersion))
    .map(({ id }) => id);
  await tx`
    insert into requires_admits (requires_id, target_id)
    select r, ${made.id}::int from unnest(${admitted}::int[]) as g(r) on conflict do nothing`;
  return { id: made.id, isNew: true };
}

/**
 * Computes the queue for targets that came since: a stretch of packages a call, remembered in the
 * database. Returns whether more is left.
 */
export const requeueStep = request(
  { args: z.object({ limit: z.int().positive().max(10_000) }), result: z.boolean(), slow: true },
  async (sql, args) => {
    const targets = await sql<{ id: number; requeue_from: number }[]>`
      select id, requeue_from from target
      where requeue_from = (select min(requeue_from) from target)`;
    const start = targets[0]?.requeue_from;
    if (start === undefined) return false;
    const packages = await sql<{ id: number }[]>`
      select id from package where id > ${start} order by id limit ${args.limit}`;
    for (const { id } of packages) await transaction(sql, (tx) => reselect(tx, id));
    const reached = packages.at(-1)?.id ?? null;
    // Only those of the beginning: one that came meanwhile has missed these packages.
    await sql`
      update target set requeue_from = ${reached}::bigint
      where id = any(${targets.map((target) => target.id)}) and requeue_from = ${start}`;
    return reached !== null;
  },
);
