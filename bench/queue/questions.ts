/**
 * What the bench of the build queue asks of a database, as the master's tasks do: the same requests, with
 * the bound that the Architect keeps. Each gives its times in ms.
 */
import { openConnection, type Sql } from "../../db/connection.ts";
import { requests } from "../../db/requests.ts";
import type { ReleaseFacts } from "../../db/upstream.ts";
import type { Place } from "../../db/work.ts";
import {
  type BenchDatabase,
  type BenchSlave,
  queueDefinition,
  RETRY,
  VERSIONS_PER_PACKAGE,
} from "./bench-database.ts";

/** One master's picks: where each target's last one was. The first slave is for `leaseAtOnce` only. */
export class Picker {
  readonly #database: BenchDatabase;
  #below: Record<string, Place> = {};
  #turn = 0;

  constructor(database: BenchDatabase) {
    this.#database = database;
  }

  /** Leases the next build for the next slave. @throws Error when there is none */
  async lease(): Promise<{ slave: BenchSlave; token: number; version: string; package: string }> {
    const { sql, slaves } = this.#database;
    const slave = slaves[1 + (this.#turn % (slaves.length - 1))];
    this.#turn += 1;
    if (slave === undefined) throw new Error("the bench has no slaves");
    const picked = await requests.leaseBuild.run(sql, {
      slaveId: slave.slaveId,
      targetIds: slave.targetIds,
      holding: slave.holding,
      leaseMs: 3_600_000,
      below: this.#below,
    });
    if (picked === null) throw new Error("nothing is left to lease");
    if (picked.place !== null) this.#below[picked.targetId] = picked.place;
    slave.holding.push(picked.order.token);
    return { slave, ...picked.order };
  }

  /** Gives out the next builds of the first target at once, as one statement: what it leaves in the tables counts. */
  async leaseAtOnce(count: number): Promise<void> {
    const { sql, slaves } = this.#database;
    const slave = slaves[0];
    const target = slave?.targetIds[0];
    if (slave === undefined || target === undefined) throw new Error("the bench has no slaves");
    const [last] = await sql<{ ord: number; version_id: number }[]>`
      with picked as (
        select version_id, target_id, ord from work
        where target_id = ${target} and state = 'ready'
        order by ord desc, version_id desc limit ${count}
      ),
      made as (
        insert into build (token, version_id, target_id, slave_id)
        select nextval('build_token'), version_id, target_id, ${slave.slaveId} from picked
        returning token, version_id, target_id
      ),
      leased as (
        insert into lease (token, version_id, target_id, slave_id, expires_at)
        select token, version_id, target_id, ${slave.slaveId}, now() + interval '1 hour' from made
      ),
      marked as (
        update work w set state = 'leased' from made m
        where w.version_id = m.version_id and w.target_id = m.target_id
        returning w.ord, w.version_id
      )
      select ord, version_id from marked order by ord, version_id limit 1`;
    if (last !== undefined) this.#below[target] = { ord: last.ord, versionId: last.version_id };
  }

  /** As after a start of the master. */
  forget(): void {
    this.#below = {};
  }
}

export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAt = performance.now();
  const value = await work();
  return { ms: performance.now() - startedAt, value };
}

/** Leases one after another, each held from then on. */
export async function leases(
  picker: Picker,
  count: number,
  signal: AbortSignal,
): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    signal.throwIfAborted();
    times.push((await timed(() => picker.lease())).ms);
  }
  return times;
}

/** Builds that end: half with a wheel for all targets, a quarter with one for its own, a quarter failed. */
export async function settles(
  database: BenchDatabase,
  picker: Picker,
  count: number,
  signal: AbortSignal,
): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    signal.throwIfAborted();
    const { slave, token, version } = await picker.lease();
    slave.holding.pop();
    const tag = at % 4 === 2 ? "cp311-none-any" : "py3-none-any";
    const isBuilt = at % 4 !== 3;
    const hash = token.toString(16).padStart(64, "0");
    const file = {
      filename: `b${token}-${version}-${tag}.whl`,
      sha256: hash,
      sizeBytes: 20_000,
      tags: [tag],
      requiresPython: null,
      requiresDist: [],
      aptDependencies: [],
      metadataSha256: hash,
      suspicious: null,
    };
    const settled = await timed(() =>
      requests.settleBuild.run(database.sql, {
        token,
        slaveId: slave.slaveId,
        result: {
          cause: isBuilt ? "built" : "build-failed",
          message: "",
          missing: [],
          durationMs: 5_000,
        },
        files: isBuilt ? [file] : [],
        log: { sha256: hash, sizeBytes: 1_000 },
        retry: RETRY,
      }),
    );
    times.push(settled.ms);
  }
  return times;
}

/** Projects that get one version more: each is recorded whole, as the Cloud Gazer does. */
export async function additions(
  { sql }: BenchDatabase,
  count: number,
  signal: AbortSignal,
): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    signal.throwIfAborted();
    const name = `bench-${7 * at + 3}`;
    const releases = Array.from({ length: VERSIONS_PER_PACKAGE + 1 }, (_, n) =>
      releaseOf(name, n + 1),
    );
    const recorded = await timed(() =>
      requests.recordProject.run(sql, {
        name,
        displayName: name,
        summary: "",
        serial: 1_000_000 + at,
        releases,
      }),
    );
    times.push(recorded.ms);
  }
  return times;
}

function releaseOf(name: string, n: number): ReleaseFacts {
  return {
    version: `${n}.0`,
    spelling: `${n}.0`,
    sortKey: String(n).padStart(4, "0"),
    isPrerelease: false,
    releasedAt: null,
    requiresPython: n % 4 === 0 ? ">=3.8" : n % 4 === 1 ? ">=3.12" : null,
    yanked: null,
    sdist: {
      filename: `${name}-${n}.0.tar.gz`,
      url: `http://127.0.0.1:9/${name}-${n}.0.tar.gz`,
      sha256: n.toString(16).padStart(64, "0"),
      sizeBytes: 20_000,
    },
    skip: null,
    upstreamTags: [],
  };
}

/** The queue from scratch. */
export async function definition({ sql, analyze }: BenchDatabase): Promise<number> {
  await analyze();
  const { ms } = await timed(() => sql.unsafe(`select count(*) from (${queueDefinition()}) q`));
  return ms;
}

/** Holds a transaction open, as a forgotten session of a person does, until `end`. */
export async function oldTransaction(dsn: string): Promise<{ end(): Promise<void> }> {
  const sql: Sql = openConnection(dsn, { idleInTransactionTimeoutMs: 0 });
  await sql.unsafe("begin isolation level repeatable read");
  await sql.unsafe("select count(*) from configuration");
  return {
    end: async () => {
      await sql.unsafe("rollback");
      await sql.end();
    },
  };
}
