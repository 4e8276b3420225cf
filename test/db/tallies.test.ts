/** Counters that are kept as things change are what a count from scratch gives, after any history. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { readTallies } from "../../db/tallies.ts";
import { auditedCounters, recount } from "../../db/tally-audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
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
} from "../support/queue-fixture.ts";

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
}, 60_000);
afterAll(() => database.end());

type Counts = Record<string, number>;

const NAMES = [
  ...["ready", "leased", "waiting", "blocked", "cancelled", "builds", "build_ms", "failures"],
  ...["failed", "files", "bytes", "packages", "versions_built", "versions"],
];

/** All counters that are not 0, of the farm and of each target. */
async function kept(from: Sql = sql): Promise<Counts> {
  const tallies = await readTallies(from);
  const targets = await from<{ id: number }[]>`select id from target`;
  const counts: Counts = {};
  for (const id of [0, ...targets.map((row) => row.id)])
    for (const name of NAMES) {
      const { total } = tallies(name, id);
      if (total !== 0) counts[`${name} ${id}`] = total;
    }
  return counts;
}

/** The definition: each counter from the tables themselves. */
async function counted(from: Sql = sql): Promise<Counts> {
  const rows = await from<{ name: string; id: number; n: number | null }[]>`
    with ended as (
      select target_id, cause, stands, coalesce(duration_ms, 0)::bigint as ms
      from build where settled_at is not null
    ),
    published as (
      select b.target_id, f.size_bytes, f.version_id, v.package_id
      from file f join build b on b.token = f.token join version v on v.id = f.version_id
      where f.placed_at is not null and f.removed_at is null
    ),
    each_of as (
      select state as name, target_id as id, count(*) as n from work group by 1, 2
      union all select 'builds', target_id, count(*) from ended group by 2
      union all select 'build_ms', target_id, sum(ms) from ended group by 2
      union all select 'failures', target_id, count(*) from ended where cause <> 'built' group by 2
      union all select 'failed', target_id, count(*) from ended
        where stands and cause <> 'built' group by 2
    )
    select name, id, n::int from each_of
    union all select name, 0, sum(n)::int from each_of group by name
    union all select 'files', target_id, count(*)::int from published group by 2
    union all select 'files', 0, count(*)::int from published
    union all select 'bytes', target_id, sum(size_bytes)::int from published group by 2
    union all select 'bytes', 0, sum(size_bytes)::int from published
    union all select 'packages', target_id, count(distinct package_id)::int from published group by 2
    union all select 'packages', 0, count(distinct package_id)::int from published
    union all select 'versions_built', target_id, count(distinct version_id)::int from published
      group by 2
    union all select 'versions_built', 0, count(distinct version_id)::int from published
    union all select 'versions', 0, count(*)::int from version`;
  return Object.fromEntries(
    rows.filter(({ n }) => n).map(({ name, id, n }) => [`${name} ${id}`, n ?? 0]),
  );
}

/** Of the tables, in an order that the foreign keys allow. */
async function emptyTables(): Promise<void> {
  const tables =
    "root_change upstream_listing page_request file work lease retry blocked build slave_target slave package_alias version package " +
    "tag_covers requires_admits requires_python target wanted";
  for (const table of tables.split(" ")) await sql.unsafe(`delete from ${table}`);
}

type Step =
  | {
      readonly do: "record";
      readonly name: string;
      readonly versions: number;
      readonly serial: number;
    }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "lease"; readonly slave: number }
  | { readonly do: "settle"; readonly slave: number; readonly outcome: number }
  | { readonly do: "place"; readonly limit: number }
  | { readonly do: "clear" }
  | { readonly do: "target"; readonly minor: number }
  | { readonly do: "expire" }
  | { readonly do: "fold"; readonly limit: number }
  | { readonly do: "damage"; readonly at: number };

const names = ["pkg", "other"];
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("record" as const),
      name: fc.constantFrom(...names),
      versions: fc.nat(4),
      serial: fc.integer({ min: 1, max: 99 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("remove" as const), name: fc.constantFrom(...names) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("lease" as const), slave: fc.nat(1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      slave: fc.nat(1),
      outcome: fc.nat(4),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("place" as const),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "clear" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("target" as const),
      minor: fc.integer({ min: 9, max: 12 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "expire" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fold" as const),
      limit: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("damage" as const), at: fc.nat(99) }),
  },
);

describe("the counters", () => {
  it("are what a count from scratch gives, after any history", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 40 }), async (steps) => {
        await emptyTables();
        expect(await kept()).toEqual({});
        let serial = 100;
        const slaves: TestSlave[] = [
          await hello(sql, "a", [target(11), target(12)]),
          await hello(sql, "b", [target(12)]),
        ];
        const held: {
          slave: TestSlave;
          token: number;
          name: string;
          version: string;
          tag: string;
        }[] = [];
        await recordProject(sql, "pkg", [release("1.0"), release("2.0")], serial);
        for (const step of steps) {
          serial += 1;
          await take(step, slaves, held, serial);
          expect(await kept()).toEqual(await counted());
        }
        while ((await run(sql, "foldTallies", { limit: 50 })) > 0);
        expect(await kept()).toEqual(await counted());
        expect(await sql`select 1 from tally where not folded`).toHaveLength(0);
      }),
      { numRuns: 12 },
    );
  });

  async function take(
    step: Step,
    slaves: TestSlave[],
    held: { slave: TestSlave; token: number; name: string; version: string; tag: string }[],
    serial: number,
  ): Promise<void> {
    switch (step.do) {
      case "record": {
        const releases = Array.from({ length: step.versions }, (_, at) => release(`${at + 1}.0`));
        await recordProject(sql, step.name, releases, serial);
        return;
      }
      case "remove":
        await run(sql, "recordRemoval", { name: step.name, serial, restMs: 0 });
        return;
      case "lease": {
        const slave = slaves[step.slave];
        if (slave === undefined) return;
        const holding = held.filter((one) => one.slave === slave).map((one) => one.token);
        const picked = await lease(sql, slave, holding);
        if (picked === null) return;
        const { token, package: name, version, target: tag } = picked.order;
        held.push({ slave, token, name, version, tag });
        return;
      }
      case "settle": {
        const at = held.findIndex((one) => one.slave === slaves[step.slave]);
        const [one] = at < 0 ? [] : held.splice(at, 1);
        if (one === undefined) return;
        const { name, version } = one;
        const specific = `${one.tag.slice(0, 5)}-${one.tag.slice(0, 5)}-linux_x86_64`.replace(
          /-+/g,
          "-",
        );
        const files = [
          [{ ...wheel(version, "py3-none-any"), filename: `${name}-${version}-py3-none-any.whl` }],
          [{ ...wheel(version, specific), filename: `${name}-${version}-${specific}.whl` }],
        ][step.outcome];
        const cause = (
          ["built", "built", "build-failed", "index-unreachable", "dependency-missing"] as const
        )[step.outcome];
        await settle(
          sql,
          one.slave,
          one.token,
          { cause: cause ?? "built", missing: cause === "dependency-missing" ? ["nope"] : [] },
          files ?? [],
        );
        return;
      }
      case "place": {
        const { files } = await run(sql, "unplaced", { token: null, limit: step.limit });
        await run(sql, "markPlaced", { fileIds: files.map((file) => file.id), logTokens: [] });
        return;
      }
      case "clear": {
        await sql`delete from page_request`;
        const gone = await run(sql, "withdrawnFiles", { limit: 100 });
        await run(sql, "markRemoved", { fileIds: gone.map((file) => file.id) });
        return;
      }
      case "target":
        slaves[1] = await hello(sql, "b", [target(step.minor)]);
        for (const one of held.filter(({ slave }) => slave.identity === "b"))
          held.splice(held.indexOf(one), 1);
        return;
      case "expire":
        await sql`update lease set expires_at = now() - interval '1 second'`;
        await run(sql, "sweepQueue", { retry, absentMs });
        return;
      case "damage": {
        const name = NAMES[step.at % NAMES.length] ?? "";
        await sql`delete from tally where name = ${name}`;
        await sql`insert into tally (name, target_id, n) values (${name}, 0, ${step.at})`;
        await recount(sql);
        return;
      }
      case "fold":
        await run(sql, "foldTallies", { limit: step.limit });
        return;
    }
  }

  it("count a package once when two builds of it are published at once", async () => {
    await emptyTables();
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    for (const version of ["2.0", "1.0"]) {
      const picked = await lease(sql, slave, []);
      expect(picked?.order.version).toBe(version);
      await settle(sql, slave, picked?.order.token ?? 0, {}, [wheel(version, "py3-none-any")]);
    }
    const { files } = await run(sql, "unplaced", { token: null, limit: 10 });
    const [first, second] = files;
    const rival = openConnection(database.dsn, { applicationName: "rival" });
    try {
      // Both are in their transactions before either of them ends.
      await sql.unsafe("begin");
      await sql`update file set placed_at = now() where id = ${first?.id ?? 0}`;
      const placing = run(rival, "markPlaced", { fileIds: [second?.id ?? 0], logTokens: [] });
      const admin = openConnection(database.adminDsn);
      for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
        const waiting = await admin`
          select 1 from pg_locks where locktype = 'advisory' and not granted`;
        if (waiting.length > 0) break;
      }
      await admin.end();
      await sql.unsafe("commit");
      await placing;
    } finally {
      await rival.end();
    }
    expect(await kept()).toEqual(await counted());
    expect(await kept()).toMatchObject({ "packages 0": 1, "files 0": 2 });
  });

  it("take the files of more packages at once than the server has room for locks", {
    timeout: 60_000,
  }, async () => {
    await emptyTables();
    await recordProject(sql, "pkg", [release("1.0")]);
    const picked = await lease(sql, await hello(sql, "a", [target(11)]), []);
    const token = picked?.order.token ?? 0;
    await sql`
      insert into package (name, display_name, seen_serial, read_serial)
      select 'many-' || n, 'many-' || n, n, n from generate_series(1, 8000) n`;
    await sql`
      insert into version (package_id, version, spelling, sort_key, prerelease, wanted)
      select id, '1', '1', '1', false, true from package where name like 'many-%'`;
    await sql`
      insert into file (version_id, token, filename, sha256, size_bytes, tags, metadata_sha256, placed_at)
      select v.id, ${token}, 'f' || v.id || '.whl', encode(sha256(v.id::text::bytea), 'hex'), 1,
        '{py3-none-any}', encode(sha256(v.id::text::bytea), 'hex'), now()
      from version v join package p on p.id = v.package_id where p.name like 'many-%'`;
    expect(await kept()).toMatchObject({ "packages 0": 8000, "files 0": 8000 });
    await sql`update file set removed_at = now()`;
    expect(await kept()).not.toHaveProperty("files 0");
  });

  it("are counted anew while others change what is counted, and fold", async () => {
    await emptyTables();
    const rival = openConnection(database.dsn, { applicationName: "rival" });
    try {
      await sql`insert into tally (name, target_id, n) values ('versions', 0, 1000), ('ready', 0, -3)`;
      const rounds = { areOver: false };
      const working = (async () => {
        for (let at = 1; !rounds.areOver || at < 20; at += 1) {
          await recordProject(rival, `pkg-${at % 7}`, [release(`${at}.5`), release("1.0")], at);
          if (at % 5 === 0) await run(rival, "foldTallies", { limit: 7 });
        }
      })();
      for (let round = 0; round < 20; round += 1) await recount(sql);
      rounds.areOver = true;
      await working;
    } finally {
      await rival.end();
    }
    expect(await kept()).toEqual(await counted());
    expect((await auditedCounters(sql)).filter((one) => one.kept !== one.counted)).toEqual([]);
  });

  it("stay countable whatever slaves say, and those that only grow are left alone when others are counted anew", async () => {
    await emptyTables();
    await recordProject(sql, "pkg", [release("1.0"), release("2.0"), release("3.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    for (const said of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 1_500.5]) {
      const picked = await lease(sql, slave, []);
      const result = { cause: "build-failed" as const, durationMs: said };
      await settle(sql, slave, picked?.order.token ?? 0, result);
    }
    const days = 24 * 3_600_000;
    const tallies = await readTallies(sql);
    expect(tallies("build_ms", 0).total).toBeCloseTo(60 * days + 1_500, -1);
    expect((await auditedCounters(sql)).filter((one) => one.kept !== one.counted)).toEqual([]);
    const before = (await run(sql, "farmMetrics", null)).tallies;
    expect(before.some(({ name }) => name.startsWith("result "))).toBe(true);
    await recount(sql);
    expect((await run(sql, "farmMetrics", null)).tallies).toEqual(before);
  });

  it("know what came in the last hour, also when it was folded long after", async () => {
    await emptyTables();
    await sql`delete from tally`;
    await sql`
      insert into tally (name, target_id, at, n)
      values ('builds', 1, now() - interval '3 hours', 5), ('builds', 1, now() - interval '59 minutes', 3),
        ('builds', 2, now(), 4), ('ready', 1, now() - interval '1 second', 7)`;
    const told = async () => {
      const tallies = await readTallies(sql);
      return [tallies("builds", 1), tallies("builds", 0), tallies("ready", 1).total];
    };
    const expected = [{ total: 8, lastHour: 3 }, { total: 12, lastHour: 7 }, 7];
    expect(await told()).toEqual(expected);
    await run(sql, "foldTallies", { limit: 100 });
    expect(await told()).toEqual(expected);
    // An hour later its minutes are put together with all of before.
    await sql`update tally set at = at - interval '2 hours' where at > '-infinity'`;
    await run(sql, "foldTallies", { limit: 100 });
    expect((await readTallies(sql))("builds", 0)).toEqual({ total: 12, lastHour: 0 });
    expect(await sql`select 1 from tally where at > '-infinity'`).toHaveLength(0);
    await sql`delete from tally`;
  });
});

describe("an upgrade of a farm that has built already", () => {
  it("counts what is there", { timeout: 60_000 }, async () => {
    const old = await createTestDatabase();
    try {
      await recordProject(old.sql, "pkg", [release("1.0"), release("2.0"), release("3.0")]);
      const slave = await hello(old.sql, "a", [target(11), target(12)]);
      const first = await lease(old.sql, slave);
      await settle(old.sql, slave, first?.order.token ?? 0, {}, [wheel("3.0", "py3-none-any")]);
      const second = await lease(old.sql, slave);
      await settle(old.sql, slave, second?.order.token ?? 0, { cause: "build-failed" });
      const { files } = await run(old.sql, "unplaced", { token: null, limit: 10 });
      await run(old.sql, "markPlaced", { fileIds: files.map((file) => file.id), logTokens: [] });
      const before = await kept(old.sql);
      // As it was before the step, which is then taken.
      const step = new URL("../../db/schema/0003-statistics.sql", import.meta.url);
      const owner = openConnection(old.ownerDsn, { onNotice: () => undefined });
      await owner.unsafe(`
        drop table tally, history, history_made;
        drop function tally_work, tally_builds, tally_files, tally_versions, build_tallies cascade`);
      await owner.unsafe(readFileSync(step, "utf8"));
      await owner.unsafe("grant select on tally to piwheels");
      await owner.end();
      expect(await kept(old.sql)).toEqual(before);
      expect(await kept(old.sql)).toEqual(await counted(old.sql));
    } finally {
      await old.end();
    }
  });
});
