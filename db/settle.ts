/**
 * Settling: the one transaction in which a build's end becomes true. It is keyed by the token; said
 * again it returns the stored outcome, which is also the cure for a commit whose answer was lost.
 *
 * Outcomes: published (files stand, though each may have been there already), superseded (somebody
 * else settled it first, or every file name stands with other contents), cancelled (not wanted any
 * more), failed (stands), blocked (waits for requirements), again (transient, tried later), trial (of a slave
 * that was asleep: it stands for nothing).
 */
import { z } from "zod";
import { buildResultSchema, tokenSchema } from "../protocol/model/build.ts";
import { type Cause, verdictOf } from "../protocol/model/cause.ts";
import {
  collectedSchema,
  deliverySchema,
  type VerifiedFile,
  verifiedFileSchema,
} from "../protocol/model/delivery.ts";
import type { Immutable } from "../protocol/model/immutable.ts";
import { instantSchema, rowIdSchema } from "../protocol/model/scalar.ts";
import { canonicalName, isValidName } from "../protocol/packaging/canonical-name.ts";
import { parseRequirement } from "../protocol/packaging/requirement.ts";
import { type Tx, transaction } from "./connection.ts";
import { endTrial, judgeSlave } from "./health.ts";
import { countAttempt, retryRuleSchema } from "./leases.ts";
import { requestPages } from "./pages.ts";
import { request } from "./request.ts";
import { lockVersions, recompute } from "./work.ts";

const outcomeSchema = z.enum([
  "published",
  "superseded",
  "cancelled",
  "failed",
  "blocked",
  "again",
  "trial",
]);
export type Outcome = z.infer<typeof outcomeSchema>;

export const settledSchema = z.object({
  outcome: outcomeSchema,
  package: z.string(),
  version: z.string(),
  target: z.string(),
  endedAt: instantSchema,
  /** Names that stand because of this build. */
  published: z.array(z.string()),
  /** Names that stood already with other contents. */
  superseded: z.array(z.string()),
});
export type Settled = Immutable<z.infer<typeof settledSchema>>;

/** Null for a token that was never given out. */
export const findDelivery = request(
  { args: z.object({ token: tokenSchema }), result: deliverySchema.nullable() },
  async (sql, args) => {
    const [row] = await sql<
      {
        slave_id: number;
        identity: string;
        slot: string;
        package: string;
        version: string;
        target: string;
        tags: string[];
        build_tag: string | null;
        settled: boolean;
      }[]
    >`
      select s.id as slave_id, s.identity, s.slot, p.name as package, v.version,
        t.name as target, b.build_tag,
        array(select c.tag from tag_covers c where c.target_id = t.id) as tags,
        b.settled_at is not null and not ${givenUp(sql)} as settled
      from build b
      join slave s on s.id = b.slave_id
      join version v on v.id = b.version_id
      join package p on p.id = v.package_id
      join target t on t.id = b.target_id
      where b.token = ${args.token}`;
    if (row === undefined) return null;
    return {
      token: args.token,
      source: "slave" as const,
      slaveId: row.slave_id,
      slaveIdentity: row.identity,
      slaveSlot: row.slot,
      package: row.package,
      version: row.version,
      target: row.target,
      targetTags: row.tags,
      buildTag: row.build_tag,
      isSettled: row.settled,
    };
  },
);

/**
 * A build that was given up because its slaves were lost: should its result come after all, it
 * is settled anew. An expression over a row of `build`.
 */
export const givenUp = (tx: Tx) => tx`(outcome = 'failed' and cause in ('slave-lost', 'poison'))`;

interface BuildRow {
  token: number;
  version_id: number;
  target_id: number;
  slave_id: number;
  package: string;
  version: string;
  target: string;
  leased_at: Date;
  settled_at: Date | null;
  outcome: Outcome | null;
  settled: boolean;
  unwanted: boolean;
  imported: boolean;
  is_trial: boolean;
}

const settleArgsSchema = z.object({
  token: tokenSchema,
  slaveId: rowIdSchema,
  result: buildResultSchema.pick({
    cause: true,
    message: true,
    missing: true,
    buildRequires: true,
    resolved: true,
    environment: true,
    retryAfterMs: true,
    durationMs: true,
  }),
  /** Only with cause `built`. */
  files: z.array(verifiedFileSchema).max(100),
  log: collectedSchema.shape.log,
  retry: retryRuleSchema,
});
export type SettleArgs = Immutable<z.infer<typeof settleArgsSchema>>;

/** @throws Error where the token is unknown or was leased to another slave: the caller checks before. */
export const settleBuild = request(
  { args: settleArgsSchema, result: settledSchema },
  async (sql, args) => {
    const settled = await transaction(sql, (tx) => settle(tx, args));
    // After the commit: it locks other versions. A crash in between leaves it to the slave's next failure.
    if (settled.outcome === "failed" || settled.outcome === "again")
      await judgeSlave(sql, args.slaveId);
    return settled;
  },
);

/** 30 days. What a slave says beyond it is not true, and would make the farm's sums too large to count with. */
const LONGEST_BUILD_MS = 30 * 24 * 3_600_000;

/** The body of the transaction; an import makes the rows of its build in the same one. */
export async function settle(tx: Tx, args: SettleArgs): Promise<Settled> {
  const before = await findBuild(tx, args.token);
  if (before === undefined) throw new Error(`token ${args.token} was never given out`);
  await lockVersions(tx, [before.version_id]);
  const build = await findBuild(tx, args.token);
  if (build?.slave_id !== args.slaveId)
    throw new Error(`token ${args.token} was leased to another slave`);
  if (build.settled) return stored(tx, build);

  const { outcome, cause } = await decide(tx, build, args);
  const { buildRequires, resolved, environment } = args.result;
  await tx`
    update build set settled_at = now(), outcome = ${outcome}, cause = ${cause},
      message = ${args.result.message}, missing = ${[...args.result.missing]},
      duration_ms = ${Math.min(args.result.durationMs, LONGEST_BUILD_MS)},
      stands = ${outcome === "published" || outcome === "failed"},
      passed_at = case when ${outcome === "again" && isOfMachine(cause)} then now() else passed_at end,
      resolved = ${resolved === undefined ? null : tx.json(resolved.map((each) => ({ ...each })))},
      environment = ${
        environment === undefined
          ? null
          : tx.json({ ...environment, limits: { ...environment.limits } })
      },
      log_sha256 = ${args.log?.sha256 ?? null}, log_size_bytes = ${args.log?.sizeBytes ?? null}
    where token = ${build.token}`;
  if (buildRequires !== undefined)
    await tx`
      update version set build_requires = ${[...buildRequires]}
      where id = ${build.version_id} and build_requires is distinct from ${[...buildRequires]}`;
  await tx`delete from lease where token = ${build.token}`;
  await recompute(tx, [build.version_id]);
  await requestPages(tx, [
    { kind: "project", key: build.package },
    { kind: "home", key: "" },
  ]);
  const settled = await findBuild(tx, args.token);
  return stored(tx, settled ?? build);
}

/**
 * Another machine may have more of it, or larger limits: it has the next try, where there is one. On its own this one
 * tries again later, and after the last attempt the cause stands.
 */
const isOfMachine = (cause: Cause): boolean => cause === "out-of-memory" || cause === "out-of-disk";

async function decide(
  tx: Tx,
  build: BuildRow,
  args: SettleArgs,
): Promise<{ outcome: Outcome; cause: Cause }> {
  const { cause } = args.result;
  const verdict = verdictOf(cause);
  if (build.imported) return { outcome: await decideImport(tx, build, args.files), cause };
  if (build.is_trial) {
    // What a runner put off says nothing of its slave.
    if (cause !== "deferred") await endTrial(tx, build.slave_id, verdict === "success", args.retry);
    return { outcome: "trial", cause };
  }
  if (build.unwanted) return { outcome: "cancelled", cause };
  const [other] = await tx`
    select 1 from build
    where version_id = ${build.version_id} and target_id = ${build.target_id}
      and stands and token <> ${build.token} and not ${givenUp(tx)}`;
  if (other !== undefined) return { outcome: "superseded", cause };

  if (verdict === "transient") {
    const [rival] = await tx`
      select 1 from lease where version_id = ${build.version_id}
        and target_id = ${build.target_id} and token <> ${build.token} and not is_trial`;
    if (rival !== undefined) return { outcome: "again", cause };
    if (cause === "deferred") {
      await defer(tx, build, args);
      return { outcome: "again", cause };
    }
    const outcome = await countAttempt(tx, build, cause, args.retry.baseMs, args.retry);
    return { outcome, cause };
  }

  await clearTheWay(tx, build);
  if (verdict === "blocked" && args.result.missing.length > 0) {
    await block(tx, build, args.result.missing);
    return { outcome: "blocked", cause };
  }
  if (verdict !== "success") return { outcome: "failed", cause };
  const stand = await insertFiles(tx, build, args.files);
  if (stand > 0) {
    // It was given up too early.
    await tx`
      update build set stands = false
      where version_id = ${build.version_id} and target_id = ${build.target_id}
        and token <> ${build.token} and stands and ${givenUp(tx)}`;
    return { outcome: "published", cause };
  }
  const [standing] = await tx`
    select 1 from file
    where filename = any(${args.files.map((file) => file.filename)}) and removed_at is null`;
  // All its names were withdrawn: it is offered again, and not at once, or that would go on for ever.
  if (standing === undefined)
    return { outcome: await countAttempt(tx, build, cause, args.retry.baseMs, args.retry), cause };
  return { outcome: "superseded", cause };
}

/**
 * A runner put it off. That is no attempt: it is never given up for it, and what was counted before stays. Where
 * the runner names no time the delay doubles with each time of the last day.
 */
async function defer(tx: Tx, build: BuildRow, { result, retry }: SettleArgs): Promise<void> {
  const [before] = await tx<{ times: number }[]>`
    select count(*)::int as times from build
    where version_id = ${build.version_id} and target_id = ${build.target_id}
      and cause = 'deferred' and settled_at > now() - interval '1 day'`;
  const grownMs = Math.min(retry.maxMs, retry.baseMs * 2 ** Math.min(before?.times ?? 0, 20));
  // At once would be a build after another that all put it off.
  const delayMs =
    result.retryAfterMs === undefined ? grownMs : Math.max(retry.baseMs, result.retryAfterMs);
  await tx`
    insert into retry (version_id, target_id, attempts, not_before, cause)
    values (${build.version_id}, ${build.target_id}, 0,
      now() + ${delayMs} * interval '1 millisecond', 'deferred')
    on conflict (version_id, target_id) do update
      set cause = excluded.cause, not_before = excluded.not_before`;
}

/**
 * Whoever imports has decided: neither a skip nor a build that stands is in the way of it, only names
 * that stand with other contents. A failure that it makes good stands no longer.
 */
async function decideImport(
  tx: Tx,
  build: BuildRow,
  files: readonly VerifiedFile[],
): Promise<"published" | "superseded"> {
  if ((await insertFiles(tx, build, files)) === 0) return "superseded";
  await clearTheWay(tx, build);
  await tx`
    update build set stands = false
    where version_id = ${build.version_id} and target_id = ${build.target_id}
      and stands and cause <> 'built'`;
  return "published";
}

/** This result counts: whoever else was given the build meanwhile is told to drop it. */
async function clearTheWay(tx: Tx, build: BuildRow): Promise<void> {
  const rivals = await tx<{ token: number }[]>`
    delete from lease where version_id = ${build.version_id}
      and target_id = ${build.target_id} and token <> ${build.token} and not is_trial
    returning token`;
  for (const rival of rivals)
    await tx`update build set released_at = now(), cause = 'killed' where token = ${rival.token}`;
  await tx`
    delete from retry
    where version_id = ${build.version_id} and target_id = ${build.target_id}`;
  await tx`
    delete from blocked
    where version_id = ${build.version_id} and target_id = ${build.target_id}`;
}

/** Returns how many of the names stand with these contents. */
async function insertFiles(
  tx: Tx,
  build: BuildRow,
  files: readonly VerifiedFile[],
): Promise<number> {
  let stand = 0;
  for (const file of files) if (await insertFile(tx, build, file)) stand += 1;
  // A build that waits for this one as a requirement can go on (releaseBlocked).
  if (stand > 0) await tx`update version set changed_at = now() where id = ${build.version_id}`;
  return stand;
}

/** Returns whether the name stands with these contents. */
async function insertFile(tx: Tx, build: BuildRow, file: VerifiedFile): Promise<boolean> {
  await tx`
    insert into file (version_id, token, filename, sha256, size_bytes, tags, requires_python,
      requires_dist, apt_dependencies, metadata_sha256, suspicious)
    values (${build.version_id}, ${build.token}, ${file.filename}, ${file.sha256},
      ${file.sizeBytes}, ${[...file.tags]}, ${file.requiresPython}, ${[...file.requiresDist]},
      ${[...file.aptDependencies]}, ${file.metadataSha256}, ${file.suspicious})
    on conflict (filename) do nothing`;
  const [row] = await tx`
    select 1 from file
    where filename = ${file.filename} and sha256 = ${file.sha256} and removed_at is null`;
  return row !== undefined;
}

async function block(tx: Tx, build: BuildRow, missing: readonly string[]): Promise<void> {
  for (const requirement of missing) {
    const name = nameOf(requirement);
    await tx`
      insert into blocked (version_id, target_id, requirement, name, since)
      values (${build.version_id}, ${build.target_id}, ${requirement}, ${name},
        ${build.leased_at})
      on conflict (version_id, target_id, requirement) do update set since = excluded.since`;
    // A farm that follows a wanted set would not hear of the dependency otherwise.
    await tx`
      insert into package (name, display_name)
      select ${name}, ${name}
      where (select follow from configuration) = 'wanted' and ${isValidName(name)}
      on conflict (name) do nothing`;
  }
}

/** The log of a build says what it will: what is no requirement is kept under its own text. */
function nameOf(requirement: string): string {
  try {
    return parseRequirement(requirement).name;
  } catch {
    return canonicalName(requirement);
  }
}

async function findBuild(tx: Tx, token: number): Promise<BuildRow | undefined> {
  const [row] = await tx<BuildRow[]>`
    select b.token, b.version_id, b.target_id, b.slave_id, p.name as package, v.version,
      t.name as target, b.leased_at, b.settled_at, b.outcome,
      b.settled_at is not null and not ${givenUp(tx)} as settled,
      (p.skip is not null or v.skip is not null or t.skip is not null or not v.wanted) as unwanted,
      exists (select from import i where i.token = b.token) as imported,
      b.is_trial
    from build b
    join version v on v.id = b.version_id
    join package p on p.id = v.package_id
    join target t on t.id = b.target_id
    where b.token = ${token}`;
  return row;
}

async function stored(tx: Tx, build: BuildRow): Promise<Settled> {
  const files = await tx<{ filename: string; ours: boolean }[]>`
    select filename, token = ${build.token} as ours from file
    where version_id = ${build.version_id} and removed_at is null order by filename`;
  return {
    outcome: build.outcome ?? "again",
    package: build.package,
    version: build.version,
    target: build.target,
    endedAt: (build.settled_at ?? new Date()).getTime(),
    published: files.filter((file) => file.ours).map((file) => file.filename),
    superseded:
      build.outcome === "superseded"
        ? files.filter((file) => !file.ours).map((file) => file.filename)
        : [],
  };
}
