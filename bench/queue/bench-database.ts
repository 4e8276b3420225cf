/**
 * A farm's database of a given size, for the bench of the build queue: packages of ten versions, three
 * targets on two platforms, and a history of builds, on a server of its own that syncs to disk. The facts
 * are made in the database; the queue is what its definition says of them.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openConnection, type Sql } from "../../db/connection.ts";
import { startEmbeddedPostgres } from "../../db/embedded.ts";
import { ensureFarmDatabase } from "../../db/farm-database.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { requests } from "../../db/requests.ts";

export interface BenchSlave {
  readonly slaveId: number;
  readonly targetIds: readonly number[];
  /** What it holds; the bench adds to it. */
  readonly holding: number[];
}

export interface BenchDatabase {
  /** As the master connects. */
  readonly dsn: string;
  readonly sql: Sql;
  readonly folder: string;
  readonly slaves: readonly BenchSlave[];
  /** What autovacuum does by and by: what has ended is swept, and the planner learns what there is. */
  analyze(): Promise<void>;
  end(): Promise<void>;
}

export const VERSIONS_PER_PACKAGE = 10;
export const RETRY = { baseMs: 60_000, maxMs: 3_600_000, maxAttempts: 5 };
const LEASE_MS = 3_600_000;
const TARGETS = [
  ["3.11", "linux_x86_64"],
  ["3.13", "linux_x86_64"],
  ["3.11", "linux_aarch64"],
] as const;

/** @param slaveCount slaves that each serve all targets of a platform; one of twelve is of the second one */
export async function makeBenchDatabase(
  versions: number,
  slaveCount: number,
  signal: AbortSignal,
): Promise<BenchDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-queue-"));
  // Started by root, the database's user must pass through.
  chmodSync(folder, 0o711);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, "database"),
    allowRoot: process.getuid?.() === 0,
    log: () => undefined,
  });
  let sql: Sql | undefined;
  const end = async (): Promise<void> => {
    await sql?.end({ timeoutMs: 1_000 });
    await postgres.stop();
    rmSync(postgres.folder, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(postgres);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => undefined });
    sql = openConnection(masterDsn, { applicationName: "bench", statementTimeoutMs: 0 });
    const slaves: BenchSlave[] = [];
    for (let at = 0; at < slaveCount; at += 1) slaves.push(await greet(sql, at));
    await requests.requeueStep.run(sql, { limit: 10_000 });
    signal.throwIfAborted();
    await fill(sql, versions, slaves[0]?.slaveId ?? 0);
    const analyze = async (): Promise<void> => {
      const owner = openConnection(ownerDsn, { statementTimeoutMs: 0 });
      await owner`vacuum analyze`;
      await owner.end();
    };
    await analyze();
    await sql.unsafe(`insert into work (version_id, target_id, state, ord) ${queueDefinition()}`);
    await analyze();
    return { dsn: masterDsn, sql, folder, slaves, analyze, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function greet(sql: Sql, at: number): Promise<BenchSlave> {
  const platform = at % 12 === 11 ? "linux_aarch64" : "linux_x86_64";
  const targets = TARGETS.filter((target) => target[1] === platform).map(([python]) => {
    const abi = `cp${python.replace(".", "")}`;
    return {
      name: `${abi}-${platform}`,
      implementation: "cpython",
      pythonVersion: python,
      pythonFullVersion: `${python}.4`,
      abiTag: abi,
      platformTag: platform,
      tags: [`${abi}-${abi}-${platform}`, `${abi}-none-any`, "py3-none-any"],
    };
  });
  const { slaveId, targetIds } = await requests.helloSlave.run(sql, {
    identity: `slave-${at}`,
    slot: "main",
    label: `slave-${at}`,
    productVersion: "1",
    host: { os: "Linux", board: "", hostname: "bench", cores: 4 },
    targets,
    running: [],
    finished: [],
    leaseMs: LEASE_MS,
    retry: RETRY,
  });
  return { slaveId, targetIds, holding: [] };
}

/**
 * Of twenty versions two were built for all targets, one for its first target only, and one failed there:
 * the others were never attempted. Half of them say which Python they need.
 */
async function fill(sql: Sql, versions: number, slaveId: number): Promise<void> {
  await sql`
    insert into requires_python (specifier) values ('>=3.8'), ('>=3.12')`;
  await sql`
    insert into requires_admits
    select q.id, t.id from requires_python q cross join target t
    where q.specifier = '>=3.8' or t.python_version = '3.13'`;
  await sql`
    insert into package (name, display_name, seen_serial, read_serial)
    select 'bench-' || n, 'bench-' || n, n, n
    from generate_series(1, ${versions / VERSIONS_PER_PACKAGE}::int) n`;
  await sql`
    insert into version (package_id, version, spelling, sort_key, prerelease, released_at,
      requires_python_id, wanted, sdist_filename, sdist_url, sdist_sha256, sdist_size_bytes)
    select p.id, n || '.0', n || '.0', lpad(n::text, 4, '0'), false,
      timestamptz '2010-01-01' + (hashint8(p.id * 100 + n) & 268435455) * interval '1.7 seconds',
      case n % 4 when 0 then (select min(id) from requires_python)
                 when 1 then (select max(id) from requires_python) end,
      true, p.name || '-' || n || '.0.tar.gz',
      'http://127.0.0.1:9/' || p.name || '-' || n || '.0.tar.gz',
      encode(sha256((p.name || n)::bytea), 'hex'), 20000
    from package p cross join generate_series(1, ${VERSIONS_PER_PACKAGE}::int) n
    order by p.id, n`;
  await sql`
    insert into build (token, version_id, target_id, slave_id, settled_at, cause, outcome,
      duration_ms, stands)
    select nextval('build_token'), v.id, t.id, ${slaveId}, now(),
      case when v.id % 20 < 3 then 'built' else 'build-failed' end,
      case when v.id % 20 < 3 then 'published' else 'failed' end, 5000, true
    from version v cross join (select id from target order by rank, id limit 1) t
    where v.id % 20 < 4 and v.requires_python_id is distinct from
      (select max(id) from requires_python)`;
  await sql`
    insert into file (version_id, token, filename, sha256, size_bytes, tags, metadata_sha256, placed_at)
    select b.version_id, b.token, 'f' || b.token || '.whl', encode(sha256(b.token::text::bytea), 'hex'),
      20000, case when b.version_id % 20 < 2 then '{py3-none-any}'
        else '{cp311-cp311-linux_x86_64}' end::text[],
      encode(sha256(('m' || b.token)::bytea), 'hex'), now()
    from build b where b.cause = 'built'`;
}

/** The statement that the tests compare the queue with; it is not built, so it is read where it stands. */
export function queueDefinition(): string {
  const places = ["../../test", "../../../test"].map(
    (place) => new URL(`${place}/support/queue-definition.sql`, import.meta.url),
  );
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error("test/support/queue-definition.sql is not there");
  return readFileSync(found, "utf8");
}
