/**
 * A farm's history in the small, one step after another, as its tasks and its tools would bring it about: for
 * the property that the queue is what its definition says after any of them. Steps that make no sense where
 * they come (a result of nothing) do nothing.
 */
import { openConnection, type Sql, transaction } from "../../db/connection.ts";
import { lockVersions, recompute } from "../../db/work.ts";
import type { Cause } from "../../protocol/model/cause.ts";
import {
  absentMs,
  hello,
  lease,
  recordProject,
  release,
  retry,
  run,
  settle,
  type TestSlave,
  target,
  wheel,
} from "./queue-fixture.ts";

export const stepKinds = [
  "record",
  "remove",
  "removeProject",
  "upstreamWheels",
  "hello",
  "lease",
  "build",
  "specific",
  "fail",
  "full",
  "block",
  "blackHole",
  "lose",
  "expire",
  "bye",
  "sweep",
  "release",
  "skipPackage",
  "skipVersion",
  "skipTarget",
  "priority",
  "popularity",
  "configure",
  "race",
  "crash",
] as const;

export interface Step {
  readonly kind: (typeof stepKinds)[number];
  readonly a: number;
  readonly b: number;
}

interface Job {
  readonly token: number;
  readonly package: string;
  readonly version: string;
  readonly target: string;
  readonly slave: TestSlave;
}

const PACKAGES = ["pkg", "lib"];
const VERSIONS = ["1.0", "2.0", "3.0", "4.0"];
const TARGETS = [target(9), target(11), target(12), target(11, "linux_aarch64")];
const HOME = TARGETS.slice(1, 2);
/** What upstream has built of a release, by turns. */
const WHEELS = [
  [],
  ["py3-none-any"],
  ["cp312-cp312-linux_x86_64"],
  ["cp39-none-any", "cp311-none-any"],
];

export class FarmHistory {
  readonly #sql: Sql;
  readonly #dsn: string;
  readonly #slaves: TestSlave[] = [];
  readonly #held: Job[] = [];
  #serial = 0;

  constructor(sql: Sql, dsn: string) {
    this.#sql = sql;
    this.#dsn = dsn;
  }

  async begin(): Promise<void> {
    this.#slaves.push(await hello(this.#sql, "s0", HOME));
  }

  async step({ kind, a, b }: Step): Promise<void> {
    const sql = this.#sql;
    const name = PACKAGES[a % 2] ?? "pkg";
    const slave = this.#slaves[a % this.#slaves.length];
    if (slave === undefined) return;
    switch (kind) {
      case "record":
        return this.#record(name, VERSIONS, []);
      case "remove":
        return this.#record(name, VERSIONS.slice(0, b), []);
      case "upstreamWheels":
        return this.#record(name, VERSIONS, WHEELS[b] ?? []);
      case "removeProject":
        this.#serial += 1;
        await run(sql, "recordRemoval", { name, serial: this.#serial, restMs: 0 });
        return;
      case "hello": {
        const served = TARGETS.slice(b, b + 1 + (a % 2));
        this.#slaves.push(await hello(sql, `s${this.#slaves.length}`, served));
        return;
      }
      case "lease":
        await this.#lease(sql, slave);
        return;
      case "build":
        return this.#settle(a, (job) => [wheelOf(job, "py3-none-any")]);
      case "specific":
        return this.#settle(a, (job) => {
          const [python = "", platform = ""] = job.target.split("-");
          return [wheelOf(job, `${python}-${python}-${platform}`)];
        });
      case "fail":
        return this.#settle(a, () => [], "build-failed");
      case "full":
        return this.#settle(a, () => [], "out-of-disk");
      case "block":
        return this.#settle(a, () => [], "dependency-missing");
      case "blackHole":
        return this.#blackHole(slave);
      case "lose":
        await hello(sql, slave.identity, HOME);
        return;
      case "expire":
        await sql`update lease set expires_at = now() - interval '1 second'`;
        return;
      case "bye": {
        const tokens = this.#held.filter((job) => job.slave === slave).map((job) => job.token);
        const { slaveId } = slave;
        await run(sql, "releaseLeases", { slaveId, tokens, isPassed: false, retry });
        return;
      }
      case "sweep":
        return this.#sweep();
      case "release":
        await run(sql, "releaseBlocked", null);
        return;
      case "skipPackage":
        return this.#change(name, (ids) => [
          `update package set skip = ${b % 2 === 0 ? "'tired of it'" : "null"} where name = '${name}'`,
          ids.length > 0,
        ]);
      case "skipVersion":
        return this.#change(name, (ids) => [
          `update version set skip = ${b % 2 === 0 ? "'broken'" : "null"} where id = ${ids[b % ids.length]}`,
          ids.length > 0,
        ]);
      case "priority":
        return this.#change(name, (ids) => [
          `update version set priority = ${b * 500 - 500} where id = ${ids[a % ids.length]}`,
          ids.length > 0,
        ]);
      case "skipTarget":
        await sql`
          update target set skip = ${b % 2 === 0 ? "too old" : null}, requeue_from = 0
          where name = ${TARGETS[a % TARGETS.length]?.name ?? ""}`;
        return this.#requeue();
      case "popularity":
        await run(sql, "setPopularity", { projects: [{ name, downloads: 4 ** (a + b) }] });
        return;
      case "configure": {
        const order = (["newest", "oldest", "popular"] as const)[a % 3] ?? "newest";
        const upstreamWheels = b % 2 === 0 ? "count" : "ignore";
        await run(sql, "configureFarm", { follow: "all", order, upstreamWheels });
        return this.#requeue();
      }
      case "race":
        return this.#race(slave, a, b);
      case "crash":
        return this.#crash(a);
    }
  }

  async #record(name: string, versions: readonly string[], upstreamTags: string[]): Promise<void> {
    this.#serial += 1;
    const releases = versions.map((version) => {
      const more = version === "2.0" ? { requiresPython: ">=3.11", yanked: "broken" } : {};
      return release(version, { ...more, upstreamTags: version === "1.0" ? [] : upstreamTags });
    });
    await recordProject(this.#sql, name, releases, this.#serial);
  }

  async #lease(sql: Sql, slave: TestSlave): Promise<boolean> {
    const holding = this.#held.filter((job) => job.slave.slaveId === slave.slaveId);
    const picked = await lease(
      sql,
      slave,
      holding.map((job) => job.token),
    );
    if (picked !== null) this.#held.push({ ...picked.order, slave });
    return picked !== null;
  }

  async #settle(
    at: number,
    filesOf: (job: Job) => ReturnType<typeof wheel>[],
    cause: Cause = "built",
  ): Promise<void> {
    const job = this.#held[at % Math.max(1, this.#held.length)];
    if (job === undefined) return;
    this.#held.splice(this.#held.indexOf(job), 1);
    const missing = cause === "dependency-missing" ? ["pkg>=4"] : [];
    await settle(this.#sql, job.slave, job.token, { cause, missing }, filesOf(job));
  }

  /** Fails whatever it gets; with peers that do not it is put to sleep, and gets trials. */
  async #blackHole(slave: TestSlave): Promise<void> {
    await this.#sql`update slave set trial_not_before = '-infinity'`;
    for (let at = 0; at < 7; at += 1) {
      if (!(await this.#lease(this.#sql, slave))) return;
      await this.#settle(this.#held.length - 1, () => [], "build-failed");
    }
  }

  async #sweep(): Promise<void> {
    await this.#sql`update retry set not_before = now() where attempts > 1`;
    await this.#sql`update work set not_before = now() where state = 'waiting'`;
    await run(this.#sql, "sweepQueue", { retry, absentMs });
    await this.#requeue();
  }

  async #requeue(): Promise<void> {
    while (await run(this.#sql, "requeueStep", { limit: 100 }));
  }

  /** What a tool changes, under the locks that it has to take. */
  async #change(
    name: string,
    change: (ids: readonly number[]) => readonly [statement: string, isPossible: boolean],
  ): Promise<void> {
    await transaction(this.#sql, async (tx) => {
      await tx`select id from package where name = ${name} for no key update`;
      const rows = await tx<{ id: number }[]>`
        select v.id from version v join package p on p.id = v.package_id
        where p.name = ${name} order by v.id`;
      const ids = rows.map((row) => row.id);
      await lockVersions(tx, ids);
      const [statement, isPossible] = change(ids);
      if (isPossible) await tx.unsafe(statement);
      await recompute(tx, ids);
    });
  }

  /** A lease, a result and a change of the project at the same time, each over a connection of its own. */
  async #race(slave: TestSlave, a: number, b: number): Promise<void> {
    const other = openConnection(this.#dsn);
    const third = openConnection(this.#dsn);
    const job = this.#held[a % Math.max(1, this.#held.length)];
    const releases = VERSIONS.slice(0, 1 + b).map((version) => release(version));
    this.#serial += 1;
    try {
      await Promise.all([
        this.#lease(this.#sql, slave),
        recordProject(other, PACKAGES[b % 2] ?? "pkg", releases, this.#serial),
        job && settle(third, job.slave, job.token, {}, [wheelOf(job, "py3-none-any")]),
      ]);
      if (job !== undefined) this.#held.splice(this.#held.indexOf(job), 1);
    } finally {
      await other.end();
      await third.end();
    }
  }

  /** The connection is cut while a result is settled; nobody knows whether it was, and it is said again. */
  async #crash(at: number): Promise<void> {
    const job = this.#held[at % Math.max(1, this.#held.length)];
    if (job === undefined) return;
    const other = openConnection(this.#dsn);
    await other`select 1`;
    const said = settle(other, job.slave, job.token, { cause: "build-failed" }).catch(() => null);
    for (let turn = 0; turn < at % 12; turn += 1) await this.#sql`select 1`;
    await other.end({ timeoutMs: 0 });
    await said;
    await this.#settle(this.#held.indexOf(job), () => [], "build-failed");
  }
}

const wheelOf = (job: Job, tag: string) => {
  const file = wheel(job.version, tag);
  return { ...file, filename: file.filename.replace("pkg", job.package) };
};
