/** Upstream releases, slaves and results in the small, for tests of the build queue. */
import { expect } from "vitest";
import { databaseProtocol } from "../../actors/master/database.ts";
import type { Sql } from "../../db/connection.ts";
import {
  type RequestArgs,
  type RequestName,
  type RequestResult,
  requests,
} from "../../db/requests.ts";
import type { ReleaseFacts } from "../../db/upstream.ts";
import type { VerifiedFile } from "../../protocol/model/delivery.ts";
import type { TargetSpec } from "../../protocol/model/target.ts";
import { versionSortKey } from "../../protocol/packaging/version.ts";
import { decode, encode } from "../../protocol/transport/codec.ts";
import type { Checked } from "../../supervisor/index.ts";

export const retry = { baseMs: 1_000, maxMs: 60_000, maxAttempts: 3 };
export const leaseMs = 60_000;
export const absentMs = 3_600_000;

/** Names of the requests that were run here. */
export const requestsRun = new Set<RequestName>();

/**
 * Runs a request as an Oracle does, for an asker in another process: arguments and result go through the codec
 * and must pass their schemas and come out as they went in.
 */
export async function run<N extends RequestName>(
  sql: Sql,
  name: N,
  args: RequestArgs<N>,
): Promise<RequestResult<N>> {
  const request: { run(sql: Sql, args: never): Promise<unknown> } = requests[name];
  const sent = crossed("arguments", args, (value) => databaseProtocol.checkBody(name, value));
  const result = await request.run(sql, sent as never);
  requestsRun.add(name);
  return crossed("result", result, (value) =>
    databaseProtocol.checkReply(name, value),
  ) as RequestResult<N>;
}

function crossed(
  what: string,
  value: unknown,
  check: (value: unknown) => Checked<unknown>,
): unknown {
  const checked = check(decode(encode(value)));
  if (!checked.ok) throw new Error(`${what}: ${checked.reason}`);
  expect(checked.value).toStrictEqual(value);
  return checked.value;
}

export const hash = (seed: string): string =>
  Buffer.from(seed.padEnd(32, ".")).toString("hex").slice(0, 64);

export function release(version: string, more: Partial<ReleaseFacts> = {}): ReleaseFacts {
  return {
    version,
    spelling: version,
    sortKey: versionSortKey(version),
    isPrerelease: false,
    releasedAt: Date.UTC(2024, 0, 1 + Number(version.split(".")[0] ?? 0)),
    requiresPython: null,
    yanked: null,
    sdist: {
      filename: `pkg-${version}.tar.gz`,
      url: `http://127.0.0.1/pkg-${version}.tar.gz`,
      sha256: hash(version),
      sizeBytes: 10,
    },
    skip: null,
    upstreamTags: [],
    ...more,
  };
}

export const target = (minor: number, platform = "linux_x86_64"): TargetSpec => ({
  name: `cp3${minor}-${platform}`,
  implementation: "cpython",
  pythonVersion: `3.${minor}`,
  pythonFullVersion: `3.${minor}.4`,
  abiTag: `cp3${minor}`,
  platformTag: platform,
  tags: [`cp3${minor}-cp3${minor}-${platform}`, `cp3${minor}-none-any`, "py3-none-any"],
});

export interface TestSlave {
  readonly identity: string;
  readonly slaveId: number;
  readonly targetIds: readonly number[];
}

export async function hello(
  sql: Sql,
  identity: string,
  targets: readonly TargetSpec[],
  tokens: { running?: number[]; finished?: number[] } = {},
): Promise<TestSlave & { drop: readonly number[] }> {
  const welcome = await run(sql, "helloSlave", {
    identity,
    slot: "main",
    label: identity,
    productVersion: "1",
    host: { os: "Linux", board: "", hostname: identity, cores: 1 },
    targets,
    running: tokens.running ?? [],
    finished: tokens.finished ?? [],
    leaseMs,
    retry,
  });
  while (await run(sql, "requeueStep", { limit: 100 }));
  return { identity, ...welcome };
}

export const lease = (sql: Sql, slave: TestSlave, holding: number[] = []) =>
  run(sql, "leaseBuild", {
    slaveId: slave.slaveId,
    targetIds: slave.targetIds,
    holding,
    leaseMs,
    below: {},
  });

export function wheel(version: string, tag: string, content = tag): VerifiedFile {
  return {
    filename: `pkg-${version}-${tag}.whl`,
    sha256: hash(`${version}${content}`),
    sizeBytes: 20,
    tags: [tag],
    requiresPython: null,
    requiresDist: [],
    aptDependencies: [],
    metadataSha256: hash(`m${version}`),
  };
}

export const settle = (
  sql: Sql,
  slave: TestSlave,
  token: number,
  result: Partial<RequestArgs<"settleBuild">["result"]>,
  files: readonly VerifiedFile[] = [],
) =>
  run(sql, "settleBuild", {
    token,
    slaveId: slave.slaveId,
    result: { cause: "built", message: "", missing: [], durationMs: 5, ...result },
    files,
    log: null,
    retry,
  });

export const recordProject = (
  sql: Sql,
  name: string,
  releases: readonly ReleaseFacts[],
  serial = 1,
) => run(sql, "recordProject", { name, displayName: name, summary: "", serial, releases });

/** The queue as it stands: `version target state`, in order. */
export async function queue(sql: Sql): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select v.version || ' ' || t.name || ' ' || w.state as line
    from work w join version v on v.id = w.version_id join target t on t.id = w.target_id
    order by v.sort_key, t.rank`;
  return rows.map((row) => row.line);
}

/**
 * The definition of the queue, from scratch, one plain statement over the facts. What `recompute` keeps
 * step by step must equal it at any time.
 */
export async function definition(sql: Sql): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    with covered as (
      select distinct f.version_id, c.target_id
      from file f cross join unnest(f.tags) as g(tag) join tag_covers c on c.tag = g.tag
      where f.removed_at is null
    ),
    needed as (
      select v.id as version_id, v.version, v.sort_key, t.id as target_id, t.name, t.rank,
        t.is_active
      from version v
      join package p on p.id = v.package_id and p.skip is null
      join target t on t.skip is null
      left join requires_admits a on a.requires_id = v.requires_python_id and a.target_id = t.id
      left join covered c on c.version_id = v.id and c.target_id = t.id
      left join build b on b.version_id = v.id and b.target_id = t.id and b.stands
      where v.skip is null and v.wanted and v.sdist_sha256 is not null
        and (v.requires_python_id is null or a.target_id is not null)
        and c.target_id is null and b.token is null
    ),
    ranked as (
      select n.*, row_number() over (partition by n.version_id
          order by n.is_active desc, n.rank, n.target_id) as place,
        (select count(*) from build b
          where b.version_id = n.version_id and b.stands and b.cause = 'built') as successes,
        (select count(*) from lease l where l.version_id = n.version_id) as leases,
        l.token
      from needed n
      left join lease l on l.version_id = n.version_id and l.target_id = n.target_id
    ),
    offered as (
      select r.* from ranked r
      where r.token is not null or r.successes > 0 or (r.leases = 0 and r.place = 1)
    )
    select line from (
      select o.sort_key, o.rank, o.version || ' ' || o.name || ' ' ||
        case when o.token is not null then 'leased'
             when exists (select from blocked k where (k.version_id, k.target_id) = (o.version_id, o.target_id))
               then 'blocked'
             when exists (select from retry r where (r.version_id, r.target_id) = (o.version_id, o.target_id)
                          and r.not_before > now()) then 'waiting'
             else 'ready' end as line
      from offered o
      union all
      select v.sort_key, t.rank, v.version || ' ' || t.name || ' cancelled'
      from lease l join version v on v.id = l.version_id join target t on t.id = l.target_id
      where not exists (select from offered o
                        where (o.version_id, o.target_id) = (l.version_id, l.target_id))
    ) lines order by sort_key, rank`;
  return rows.map((row) => row.line);
}
