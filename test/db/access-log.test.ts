/** The access log in the database: counted once, by the right day, in partitions that the master makes and drops. */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openConnection } from "../../db/connection.ts";
import { upgradeDatabase } from "../../db/migrate.ts";
import { unknownClient } from "../../protocol/accesslog/user-agent.ts";
import { type AccessBatch, type AccessKind, accessKinds } from "../../protocol/model/access.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { recordProject, release, run } from "../support/queue-fixture.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await database.sql.unsafe(
    "delete from access_log; delete from access_source; delete from access_day; delete from access_package; delete from access_package_day",
  );
});

interface Row {
  readonly kind: AccessKind;
  readonly at: number;
  readonly package?: string | null;
  readonly arch?: string;
  readonly pythonVersion?: string;
}

function batchOf(rows: readonly Row[]): AccessBatch {
  return {
    kinds: rows.map(({ kind }) => kind),
    ats: rows.map(({ at }) => at),
    addresses: rows.map(
      (_, index) => [null, "192.0.2.1", "2001:db8::1", "64:ff9b::192.0.2.1"][index % 4] ?? null,
    ),
    packages: rows.map((row) => (row.package === undefined ? "six" : row.package)),
    filenames: rows.map(({ kind }) => (kind === "download" ? "six-1.0-py3-none-any.whl" : null)),
    paths: rows.map(({ kind }) => (kind === "page" ? "/faq.html" : null)),
    clientOf: rows.map((_, index) => index),
    clients: rows.map(({ arch = null, pythonVersion = null }) => ({
      ...unknownClient,
      arch,
      pythonVersion,
    })),
  };
}

const noon = (day: string) => Date.parse(`${day}T12:00:00Z`);

async function counts() {
  const { sql } = database;
  const days =
    await sql`select package, day::text, downloads, searches from access_package_day order by 1, 2`;
  const totals = await sql`select package, downloads, searches from access_package order by 1`;
  const aspects =
    await sql`select day::text, aspect, value, visits from access_day order by 1, 2, 3`;
  return { days: [...days], totals: [...totals], aspects: [...aspects] };
}

/** The definition of what is counted, from the rows themselves. */
async function countsFromRows() {
  const { sql } = database;
  await sql.unsafe("set timezone = 'UTC'");
  const days = await sql`
    select package, at::date::text as day, count(*) filter (where kind = 'download') as downloads,
      count(*) filter (where kind = 'search') as searches
    from access_log where kind in ('download', 'search') group by 1, 2 order by 1, 2`;
  const totals = await sql`
    select package, count(*) filter (where kind = 'download') as downloads,
      count(*) filter (where kind = 'search') as searches
    from access_log where kind in ('download', 'search') group by 1 order by 1`;
  const aspects = await sql`
    select at::date::text as day, 'kind' as aspect, kind as value, count(*) as visits from access_log group by 1, 3
    union all
    select at::date::text, 'arch', arch, count(*) from access_log where kind = 'download' and arch is not null group by 1, 3
    union all
    select at::date::text, 'python', (regexp_match(python_version, '^\\d+\\.\\d+'))[1], count(*) from access_log
    where kind = 'download' and python_version ~ '^\\d+\\.\\d+' group by 1, 3
    order by 1, 2, 3`;
  return { days: [...days], totals: [...totals], aspects: [...aspects] };
}

describe("a batch of access-log records", () => {
  it("is stored and counted once, however often it is said", async () => {
    const { sql } = database;
    const source = randomUUID();
    const batch = batchOf([{ kind: "download", at: noon("2026-03-01") }]);
    const say = (sequence: number, acknowledged = 0) =>
      run(sql, "recordAccess", { source, sequence, acknowledged, batch });
    expect(await say(1)).toBe("stored");
    expect(await say(1)).toBe("known");
    expect(await say(3)).toBe("gap");
    expect(await say(2, 1)).toBe("stored");
    expect(await say(1)).toBe("known");
    expect(await sql`select from access_log`).toHaveLength(2);
    expect((await counts()).totals).toEqual([{ package: "six", downloads: 2, searches: 0 }]);
  });

  it("goes on where its piw-logger is, also when the database knows nothing of it any more", async () => {
    const { sql } = database;
    const source = randomUUID();
    const batch = batchOf([{ kind: "search", at: noon("2026-03-01") }]);
    expect(await run(sql, "recordAccess", { source, sequence: 58, acknowledged: 56, batch })).toBe(
      "gap",
    );
    expect(await run(sql, "recordAccess", { source, sequence: 57, acknowledged: 56, batch })).toBe(
      "stored",
    );
  });

  it("is stored once when it is said twice at the same time", async () => {
    const others = Array.from({ length: 4 }, () => openConnection(database.dsn));
    try {
      const source = randomUUID();
      const batch = batchOf([{ kind: "download", at: noon("2026-06-01") }]);
      const said = await Promise.all(
        others.map((sql) =>
          run(sql, "recordAccess", { source, sequence: 1, acknowledged: 0, batch }),
        ),
      );
      expect(said.sort()).toEqual(["known", "known", "known", "stored"]);
    } finally {
      await Promise.all(others.map((sql) => sql.end()));
    }
  });

  it("of years that no log has is refused and leaves nothing", async () => {
    const { sql } = database;
    const batch = batchOf([{ kind: "page", at: Date.UTC(2999, 0) }]);
    const saying = run(sql, "recordAccess", {
      source: randomUUID(),
      sequence: 1,
      acknowledged: 0,
      batch,
    });
    await expect(saying).rejects.toThrow("no month of an access log");
    expect(await sql`select from access_source`).toHaveLength(0);
  });

  it("falls into the month and day of each line, also when it comes late", async () => {
    const { sql } = database;
    const late = [
      Date.parse("2026-01-31T23:59:59Z"),
      Date.parse("2026-02-01T00:00:00Z"),
      noon("2019-07-04"),
    ];
    const batch = batchOf(late.map((at) => ({ kind: "download", at }) as const));
    await run(sql, "recordAccess", { source: randomUUID(), sequence: 1, acknowledged: 0, batch });
    const rows = await sql`select tableoid::regclass::text as part from access_log order by at`;
    expect(rows.map(({ part }) => String(part))).toEqual([
      "access_log_2019_07",
      "access_log_2026_01",
      "access_log_2026_02",
    ]);
    expect((await counts()).days.map(({ day }) => String(day))).toEqual([
      "2019-07-04",
      "2026-01-31",
      "2026-02-01",
    ]);
  });

  it("is counted as the rows say, whatever is in it", async () => {
    const row = fc.record({
      kind: fc.constantFrom(...accessKinds),
      at: fc.integer({ min: noon("2026-04-29"), max: noon("2026-05-02") }),
      package: fc.constantFrom("a", "b-c", "six"),
      arch: fc.constantFrom("armv7l", "aarch64", 'odd \\ " {,} NULL'),
      pythonVersion: fc.constantFrom("3.11.2", "3.9", "what"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(row, { minLength: 1, maxLength: 30 }), { maxLength: 4 }),
        async (batches) => {
          const source = randomUUID();
          for (const [index, rows] of batches.entries())
            await run(database.sql, "recordAccess", {
              source,
              sequence: index + 1,
              acknowledged: index,
              batch: batchOf(rows),
            });
          expect(await counts()).toEqual(await countsFromRows());
        },
      ),
      { numRuns: 25 },
    );
  });

  it("of more clients than a day can have is counted as others beyond a thousand", async () => {
    const { sql } = database;
    const source = randomUUID();
    const hostile = (from: number, to: number) =>
      batchOf(
        Array.from(
          { length: to - from },
          (_, index) =>
            ({ kind: "download", at: noon("2026-03-01"), arch: `arch-${from + index}` }) as const,
        ),
      );
    await run(sql, "recordAccess", {
      source,
      sequence: 1,
      acknowledged: 0,
      batch: hostile(0, 900),
    });
    await run(sql, "recordAccess", {
      source,
      sequence: 2,
      acknowledged: 1,
      batch: hostile(800, 1_500),
    });
    const [sums] = await sql`
      select count(*) as values, sum(visits) as visits, sum(visits) filter (where value = 'other') as other
      from access_day where aspect = 'arch'`;
    expect(sums).toEqual({ values: 1_001, visits: 1_600, other: 500 });
  });
});

describe("months of the access log", () => {
  const partitions = async () =>
    (
      await database.sql`
        select inhrelid::regclass::text as name from pg_inherits where inhparent = 'access_log'::regclass order by 1`
    ).map(({ name }) => String(name));
  const options = { masterRole: "piwheels", log: () => undefined };

  it("are made ahead and dropped by the master, which owns none, when the owner lets them expire", async () => {
    const { sql, ownerDsn } = database;
    const batch = batchOf([
      { kind: "download", at: noon("2020-01-15") },
      { kind: "download", at: Date.now() - 40 * 86_400_000 },
    ]);
    await run(sql, "recordAccess", { source: randomUUID(), sequence: 1, acknowledged: 0, batch });
    const before = await partitions();
    expect(before).toContain("access_log_2020_01");
    expect(await run(sql, "tendAccessLog", null)).toBe(0);
    expect((await partitions()).length).toBeGreaterThanOrEqual(before.length);

    await upgradeDatabase(ownerDsn, { ...options, accessExpiryDays: 90 });
    expect(await run(sql, "tendAccessLog", null)).toBeGreaterThan(0);
    expect(await partitions()).not.toContain("access_log_2020_01");
    expect(await sql`select from access_log`).toHaveLength(1);
    expect((await counts()).totals).toEqual([{ package: "six", downloads: 2, searches: 0 }]);

    await upgradeDatabase(ownerDsn, options);
    const [kept] = await sql`select access_expiry = interval '90 days' as kept from configuration`;
    expect(kept).toEqual({ kept: true });
    await upgradeDatabase(ownerDsn, { ...options, accessExpiryDays: null });
    await run(sql, "recordAccess", { source: randomUUID(), sequence: 1, acknowledged: 0, batch });
    expect(await run(sql, "tendAccessLog", null)).toBe(0);
  });

  it("cannot be made or dropped by others in the database", async () => {
    const stranger = openConnection(database.adminDsn);
    try {
      await stranger.unsafe(
        "drop role if exists stranger; create role stranger; set role stranger",
      );
      await expect(stranger.unsafe("select access_log_expire()")).rejects.toThrow(
        "permission denied",
      );
      await expect(stranger.unsafe("select access_log_make_months(array[now()])")).rejects.toThrow(
        "permission denied",
      );
    } finally {
      await stranger.unsafe("reset role; drop role if exists stranger");
      await stranger.end();
    }
  });
});

describe("what is popular", () => {
  /** As Lumberjack does it: all stretches, each told to the queue. */
  async function tell(): Promise<void> {
    const { sql } = database;
    for (let after: string | null = ""; after !== null; ) {
      const told: { projects: { name: string; downloads: number }[]; next: string | null } =
        structuredClone(await run(sql, "countedDownloads", { after })) as never;
      await run(sql, "setPopularity", { projects: told.projects });
      after = told.next;
    }
  }
  const popularity = async () =>
    (
      await database.sql<{ line: string }[]>`
        select name || ' ' || popularity as line from package order by name`
    ).map(({ line }) => line);

  it("is what was downloaded in the last 30 days, and no longer when that is over", async () => {
    const { sql } = database;
    for (const name of ["rim", "six", "spoke"]) await recordProject(sql, name, [release("1.0")]);
    const day = 86_400_000;
    const rows = [
      ...Array.from({ length: 5 }, () => ({ kind: "download" as const, at: Date.now() })),
      { kind: "search" as const, at: Date.now(), package: "rim" },
      { kind: "download" as const, at: Date.now() - 40 * day, package: "spoke" },
      { kind: "download" as const, at: Date.now() - 3 * day, package: "not-here" },
    ];
    const place = { source: randomUUID(), sequence: 1, acknowledged: 0 };
    await run(sql, "recordAccess", { ...place, batch: batchOf(rows) });
    expect((await run(sql, "countedDownloads", { after: "" })).projects).toEqual([
      { name: "not-here", downloads: 1 },
      { name: "six", downloads: 5 },
    ]);
    await tell();
    expect(await popularity()).toEqual(["rim 0", "six 2", "spoke 0"]);

    await sql`update access_package_day set day = day - 60 where package = 'six'`;
    await tell();
    expect(await popularity()).toEqual(["rim 0", "six 0", "spoke 0"]);
  });
});
