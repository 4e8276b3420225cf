/**
 * What the command line tools change: an operator's word against upstream's, and the queue equal to its
 * definition after each.
 */
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import type { RequestArgs } from "../../db/requests.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  absentMs,
  compared,
  emptyTables,
  hello,
  lease,
  leaseMs,
  queue,
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
beforeEach(async () => {
  await emptyTables(sql);
  await sql`update configuration set follow = 'all'`;
});
afterEach(async () => {
  const { is, mustBe } = await compared(sql);
  expect(is).toEqual(mustBe);
});

const change = (
  packageName: string,
  versions: readonly string[],
  said: Partial<RequestArgs<"changePackage">>,
  connection: Sql = sql,
) =>
  run(connection, "changePackage", {
    package: packageName,
    versions,
    isCreation: false,
    skip: null,
    yank: null,
    aliases: [],
    summary: null,
    releasedAt: null,
    priority: null,
    ...said,
  });

const remove = (
  packageName: string,
  versions: readonly string[] = [],
  { skip = null, isOfBuildsOnly = false }: { skip?: string | null; isOfBuildsOnly?: boolean } = {},
  connection: Sql = sql,
) => run(connection, "removePackage", { package: packageName, versions, skip, isOfBuildsOnly });

async function take(slave: TestSlave): Promise<{ token: number; version: string }> {
  const picked = await lease(sql, slave);
  if (picked === null) throw new Error("nothing to lease");
  return picked.order;
}

const column = async (name: "skip" | "yanked" | "source", version = "1.0") => {
  const [row] = await sql.unsafe<Record<string, unknown>[]>(
    `select ${name} as value from version where version = '${version}'`,
  );
  return row?.["value"];
};

describe("a skip", () => {
  it("takes a version off the queue, stays when upstream is read again, and goes when it is taken back", async () => {
    await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    expect(await change("PKG", ["1.0.0"], { skip: { reason: "needs a licence" } })).toMatchObject({
      outcome: "changed",
      package: "pkg",
      versions: 1,
      pending: 1,
    });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 2);
    expect(await queue(sql)).toEqual(["2.0 cp311-linux_x86_64 ready"]);
    await change("pkg", ["1.0"], { skip: { reason: null } });
    expect(await queue(sql)).toEqual([
      "1.0 cp311-linux_x86_64 ready",
      "2.0 cp311-linux_x86_64 ready",
    ]);
    expect((await run(sql, "unreadProjects", { limit: 5 })).map(({ name }) => name)).toEqual([
      "pkg",
    ]);
  });

  it("of a package concerns all its versions, also those to come, and tells a busy slave to drop it", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    const { token } = await take(slave);
    const skipped = await change("pkg", [], { skip: { reason: "too big" } });
    expect(skipped).toMatchObject({ pending: 0, dropped: 1 });
    expect(
      await run(sql, "renewLeases", { renewals: [{ token, slaveId: slave.slaveId }], leaseMs }),
    ).toEqual({ lost: [token] });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0"), release("3.0")], 2);
    expect(await queue(sql)).toEqual(["2.0 cp311-linux_x86_64 cancelled"]);
    await change("pkg", [], { skip: { reason: null } });
    expect((await queue(sql)).length).toBe(3);
  });

  it("that is taken back leaves what upstream says: binary only, and that it was removed", async () => {
    await hello(sql, "a", [target(11)]);
    const binary = release("1.0", { sdist: null, skip: "binary only" });
    await recordProject(sql, "pkg", [binary, release("2.0")]);
    await change("pkg", ["1.0", "2.0"], { skip: { reason: "x" } });
    await recordProject(sql, "pkg", [binary], 2);
    expect(await change("pkg", ["1.0"], { skip: { reason: null } })).toMatchObject({
      remaining: ["1.0: binary only"],
    });
    await run(sql, "recordRemoval", { name: "pkg", serial: 3, restMs: 0 });
    expect(await change("pkg", [], { skip: { reason: null } })).toMatchObject({
      remaining: ["pkg: deleted"],
    });
  });

  it("keeps out what upstream removed, should it come back", async () => {
    await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    await recordProject(sql, "pkg", [release("2.0")], 2);
    await change("pkg", ["1.0"], { skip: { reason: "malware" } });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 3);
    expect(await column("skip")).toBe("malware");
  });

  it("may not say what is upstream's to say", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    for (const reason of ["deleted", "binary only", "", "two\nlines", "x".repeat(201)])
      await expect(change("pkg", ["1.0"], { skip: { reason } })).rejects.toThrow(/skip/);
  });
});

describe("a yank", () => {
  const yanked = (reason: string | null) => release("1.0", { yanked: reason });

  it("by hand is not undone by the next reading of upstream, and goes when it is taken back", async () => {
    await recordProject(sql, "pkg", [yanked(null)]);
    await change("pkg", ["1.0"], { yank: { reason: "leaks" } });
    await recordProject(sql, "pkg", [yanked(null)], 2);
    expect(await column("yanked")).toBe("leaks");
    await recordProject(sql, "pkg", [yanked("upstream's own")], 3);
    expect(await column("yanked")).toBe("leaks");
    await recordProject(sql, "pkg", [yanked(null)], 4);
    await change("pkg", ["1.0"], { yank: { reason: null } });
    expect(await column("yanked")).toBeNull();
    await recordProject(sql, "pkg", [yanked("later")], 5);
    expect(await column("yanked")).toBe("later");
  });

  it("of upstream's is overruled by an unyank until upstream takes it back; a later one counts", async () => {
    await recordProject(sql, "pkg", [yanked("oops")]);
    for (let twice = 0; twice < 2; twice += 1)
      await change("pkg", ["1.0"], { yank: { reason: null } });
    await recordProject(sql, "pkg", [yanked("oops")], 2);
    expect(await column("yanked")).toBeNull();
    await recordProject(sql, "pkg", [yanked(null)], 3);
    await recordProject(sql, "pkg", [yanked("again")], 4);
    expect(await column("yanked")).toBe("again");
  });

  it("has the pages written again, and shows on them", async () => {
    await recordProject(sql, "pkg", [yanked(null)]);
    await sql`delete from page_request`;
    await change("pkg", ["1.0"], { yank: { reason: "" } });
    const pages = await run(sql, "duePages", { gatherMs: 0, limit: 10 });
    expect(pages.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["simple", "project"]));
    const [[shown] = []] = await run(sql, "projectReleases", {
      stretches: [{ name: "pkg", from: 0, limit: 1 }],
    });
    expect(shown?.yanked).toBe("");
  });
});

describe("what else is said of a package", () => {
  it("stays when upstream is read again: summary, release date, priority of what is to come", async () => {
    await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    await change("pkg", [], { summary: "ours", priority: 3 });
    await change("pkg", ["1.0"], { releasedAt: Date.UTC(2030, 0, 1) });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0"), release("3.0")], 2);
    const [row] = await sql`select summary from package`;
    expect(row).toEqual({ summary: "ours" });
    const rows = await sql<{ version: string; priority: number }[]>`
      select v.version, v.priority from work w join version v on v.id = w.version_id
      order by w.ord desc`;
    expect(rows.map(({ version, priority }) => [version, priority])).toEqual([
      ["1.0", 3],
      ["3.0", 3],
      ["2.0", 3],
    ]);
    await change("pkg", [], { summary: "" });
    await recordProject(sql, "pkg", [release("1.0")], 3);
    expect((await sql`select summary from package`)[0]).toEqual({ summary: "" });
  });

  it("leads further names to it, but not those of others", async () => {
    await recordProject(sql, "pillow", [release("1.0")]);
    await recordProject(sql, "six", [release("1.0")]);
    await change("pillow", [], { aliases: ["PIL"] });
    expect(await change("PIL", ["1.0"], { priority: 1 })).toMatchObject({ package: "pillow" });
    expect(await change("six", [], { aliases: ["PIL"] })).toEqual({
      outcome: "taken",
      alias: "PIL",
      package: "pillow",
    });
    expect(await change("six", [], { aliases: ["Pillow"] })).toMatchObject({ outcome: "taken" });
  });

  it("is refused whole for what the farm does not know, with the names that are like it", async () => {
    await recordProject(sql, "numpy", [release("1.0")]);
    expect(await change("nunpy", [], { skip: { reason: "x" } })).toEqual({
      outcome: "unknown",
      versions: [],
    });
    const some = await change("numpy", ["1.0", "9.9"], { skip: { reason: "x" } });
    expect(some).toEqual({ outcome: "unknown", versions: ["9.9"] });
    expect(await column("skip")).toBeNull();
    expect(await run(sql, "lookUp", { package: "nunpy", versions: [] })).toMatchObject({
      found: null,
      candidates: ["numpy"],
    });
    expect(await run(sql, "lookUp", { package: "numpy", versions: ["9.9"] })).toMatchObject({
      missing: ["9.9"],
      candidates: ["1.0"],
    });
  });
});

describe("what is recorded by hand", () => {
  it("is not built, and not touched by an upstream that has none, or another one, of its name", async () => {
    await hello(sql, "a", [target(11)]);
    expect(await change("In_House", ["1.0"], { isCreation: true })).toMatchObject({
      package: "in-house",
      created: 2,
      pending: 0,
    });
    expect([await column("skip"), await column("source")]).toEqual(["binary only", "local"]);
    await run(sql, "recordRemoval", { name: "in-house", serial: 5, restMs: 0 });
    await recordProject(sql, "in-house", [release("9.0")], 6);
    const rows = await sql<{ version: string }[]>`select version from version`;
    expect(rows.map(({ version }) => version)).toEqual(["1.0"]);
    expect(await run(sql, "unreadProjects", { limit: 5 })).toEqual([]);
    await remove("in-house");
    await recordProject(sql, "in-house", [release("9.0")], 7);
    expect(await queue(sql)).toEqual(["9.0 cp311-linux_x86_64 ready"]);
  });

  it("is a version beside upstream's, which is upstream's once upstream has it", async () => {
    await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("2.0")]);
    await change("pkg", ["1.0"], { isCreation: true });
    await recordProject(sql, "pkg", [release("2.0")], 2);
    expect(await column("skip")).toBe("binary only");
    await run(sql, "recordRemoval", { name: "pkg", serial: 3, restMs: 0 });
    expect(await column("skip")).toBe("binary only");
    expect((await sql`select skip from package`)[0]).toEqual({ skip: null });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 4);
    expect([await column("skip"), await column("source")]).toEqual([null, "upstream"]);
    expect((await queue(sql)).length).toBe(2);
  });
});

describe("a removal", () => {
  it("withdraws files for ever, cancels what is being built, and upstream brings it back under a build tag", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    await settle(sql, slave, (await take(slave)).token, {}, [wheel("2.0", "py3-none-any")]);
    const { token } = await take(slave);
    expect(await remove("pkg")).toEqual({
      outcome: "removed",
      package: "pkg",
      versions: 2,
      builds: 1,
      files: 1,
      requirements: 0,
      pending: 0,
      dropped: 1,
    });
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 cancelled"]);
    expect(
      await run(sql, "renewLeases", { renewals: [{ token, slaveId: slave.slaveId }], leaseMs }),
    ).toEqual({ lost: [token] });
    const late = await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")]);
    expect(late.outcome).toBe("cancelled");
    expect(await run(sql, "projectPages", { names: ["pkg"] })).toEqual([]);
    expect(await sql`select 1 from file where removed_at is not null`).toHaveLength(1);
    // Said again, after a lost answer.
    expect(await remove("pkg")).toMatchObject({ outcome: "removed", builds: 0, files: 0 });

    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 2);
    expect((await lease(sql, slave))?.order).toMatchObject({ version: "2.0", buildTag: "1" });
  });

  it("with a reason keeps it out, and takes its requirements out of the wanted set", async () => {
    await run(sql, "configureFarm", {
      follow: "wanted",
      order: "newest",
      upstreamWheels: "ignore",
    });
    await run(sql, "addWanted", {
      requirements: [{ name: "pkg", text: "pkg" }],
      withDeps: false,
      withBuildDeps: false,
    });
    await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    expect(await queue(sql)).toEqual(["2.0 cp311-linux_x86_64 ready"]);
    await remove("pkg", ["2.0"], { skip: "malware" });
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 ready"]);
    expect(await remove("pkg", [], { skip: "all of it" })).toMatchObject({ requirements: 1 });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")], 2);
    expect(await queue(sql)).toEqual([]);
    expect([await column("skip", "2.0"), (await sql`select skip from package`)[0]]).toEqual([
      "malware",
      { skip: "all of it" },
    ]);
  });

  it("of builds only puts it back on the queue, with a failure forgotten and a running build begun again", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    const names = ["1.0", "2.0", "3.0"];
    await recordProject(
      sql,
      "pkg",
      names.map((name) => release(name)),
    );
    await settle(sql, slave, (await take(slave)).token, {}, [wheel("3.0", "py3-none-any")]);
    await settle(sql, slave, (await take(slave)).token, { cause: "build-failed" });
    const { token } = await take(slave);
    expect(await remove("pkg", [], { isOfBuildsOnly: true })).toMatchObject({
      builds: 2,
      files: 1,
      pending: 3,
      dropped: 1,
    });
    expect(await queue(sql)).toEqual(names.map((name) => `${name} cp311-linux_x86_64 ready`));
    expect((await lease(sql, slave))?.order).toMatchObject({ version: "3.0", buildTag: "1" });
    expect(
      await run(sql, "renewLeases", { renewals: [{ token, slaveId: slave.slaveId }], leaseMs }),
    ).toEqual({ lost: [token] });
  });

  it("changes nothing where a version is unknown", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    expect(await remove("pkg", ["1.0", "7.0"])).toEqual({ outcome: "unknown", versions: ["7.0"] });
    expect(await column("skip")).toBeNull();
  });

  it("while upstream is recorded, builds are leased and settled: nothing waits for ever, the queue is right", {
    timeout: 60_000,
  }, async () => {
    const versions = Array.from({ length: 20 }, (_, at) => release(`${at + 1}.0`));
    await recordProject(sql, "pkg", versions);
    const connections = Array.from({ length: 4 }, () => openConnection(database.dsn));
    try {
      await Promise.all(
        connections.map(async (connection, at) => {
          const slave = await hello(connection, `s${at}`, [target(11 + (at % 2))]);
          for (let round = 0; round < 15; round += 1) {
            if (at === 0) await recordProject(connection, "pkg", versions, round + 2);
            else if (at === 1 && round % 3 === 0) await remove("pkg", [], {}, connection);
            else if (at === 1)
              await remove("pkg", [`${round}.0`], { isOfBuildsOnly: round % 2 === 0 }, connection);
            else {
              const picked = await lease(connection, slave);
              if (picked === null) continue;
              const { token, version } = picked.order;
              await settle(connection, slave, token, {}, [
                wheel(version, "py3-none-any", `${token}`),
              ]);
            }
          }
        }),
      );
    } finally {
      for (const connection of connections) await connection.end();
    }
  });
});

describe("a long list of requirements", () => {
  it("is wanted whole or not at all, whatever is in it twice or was there before", async () => {
    const of = (numbers: readonly number[]) =>
      numbers.map((number) => ({
        name: `long-${number % 24_000}`,
        text: `long-${number % 24_000}>=1`,
      }));
    const all = of(Array.from({ length: 25_000 }, (_, at) => at));
    const count = async () => {
      const [row] = await sql<{ wanted: number; deps: number; unread: number }[]>`
        select count(*)::int as wanted, count(*) filter (where with_deps)::int as deps,
          (select count(*)::int from package where name like 'long-%' and read_serial = -1) as unread
        from wanted where name like 'long-%'`;
      return row;
    };
    // What PostgreSQL cannot store comes last.
    const broken = [...all, { name: "long-x", text: "long-x\u0000" }];
    const plain = { withDeps: false, withBuildDeps: false };
    await expect(run(sql, "addWanted", { requirements: broken, ...plain })).rejects.toThrow();
    expect(await count()).toEqual({ wanted: 0, deps: 0, unread: 0 });
    const first = await run(sql, "addWanted", {
      ...{ requirements: of([1, 2]), withDeps: true, withBuildDeps: false },
    });
    expect(first).toEqual({ added: 2, known: 0 });
    expect(await run(sql, "addWanted", { requirements: all, ...plain })).toEqual({
      added: 23_998,
      known: 1_002,
    });
    expect(await count()).toEqual({ wanted: 24_000, deps: 2, unread: 24_000 });
    await run(sql, "addWanted", { requirements: all, withDeps: true, withBuildDeps: false });
    expect(await count()).toEqual({ wanted: 24_000, deps: 24_000, unread: 24_000 });
  }, 60_000);
});

describe("targets", () => {
  const spec = target(13);
  const requeued = async () => {
    while (await run(sql, "requeueStep", { limit: 100 }));
  };
  const changeTarget = (said: Partial<RequestArgs<"changeTarget">>) =>
    run(sql, "changeTarget", { name: spec.name, skip: null, rank: null, ...said });

  it("that are skipped are not leased for, at once, and the next one is offered", async () => {
    const slave = await hello(sql, "a", [target(13), target(14)]);
    await recordProject(sql, "pkg", [release("1.0")]);
    expect(await changeTarget({ skip: { reason: "gone" } })).toEqual({
      outcome: "changed",
      isChanged: true,
    });
    // Before the queue is computed for it.
    expect(await queue(sql)).toEqual(["1.0 cp313-linux_x86_64 ready"]);
    expect(await lease(sql, slave)).toBeNull();
    await requeued();
    expect((await lease(sql, slave))?.order.target).toBe("cp314-linux_x86_64");
    await changeTarget({ skip: { reason: null } });
    await requeued();
    expect(await changeTarget({ skip: { reason: null } })).toMatchObject({ isChanged: false });
  });

  it("that are added wait for a slave, and with another rank another one comes first", async () => {
    await hello(sql, "a", [target(12)]);
    await recordProject(sql, "pkg", [release("1.0", { requiresPython: ">=3.12" })]);
    const add = () => run(sql, "addTarget", { spec, rank: 5 });
    expect(await add()).toEqual({ isNew: true, rank: 5 });
    expect(await add()).toEqual({ isNew: false, rank: 5 });
    await requeued();
    expect(await queue(sql)).toEqual(["1.0 cp312-linux_x86_64 ready"]);
    await hello(sql, "b", [spec]);
    expect(await queue(sql)).toEqual(["1.0 cp313-linux_x86_64 ready"]);
    await changeTarget({ rank: 9_999 });
    await requeued();
    expect(await queue(sql)).toEqual(["1.0 cp312-linux_x86_64 ready"]);
    expect(await run(sql, "listTargets", null)).toMatchObject([
      { name: "cp312-linux_x86_64", rank: 3012, slaves: 1, ready: 1, skip: null, isActive: true },
      { name: "cp313-linux_x86_64", rank: 9_999, tags: 3, ready: 0, isComputing: false },
    ]);
  });

  it("that nobody knows are answered with those that are", async () => {
    await hello(sql, "a", [target(12)]);
    expect(await changeTarget({ skip: { reason: "x" } })).toEqual({
      outcome: "unknown",
      known: ["cp312-linux_x86_64"],
    });
  });
});

describe("the queue after any history of an operator's words", () => {
  const operation = fc.record({
    kind: fc.constantFrom(
      "record",
      "gone",
      "skip",
      "unskip",
      "skip-all",
      "unskip-all",
      "yank",
      "priority",
      "create",
      "remove",
      "remove-all",
      "builds",
      "lease",
      "build",
      "fail",
      "block",
      "target",
    ),
    a: fc.nat(3),
  });

  it("equals its definition", { timeout: 120_000 }, async () => {
    const names = ["1.0", "2.0", "3.0", "4.0"];
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (history) => {
        for (const table of "root_change upstream_listing page_request file work lease retry blocked build slave_target slave package_alias version package tag_covers requires_admits requires_python target wanted".split(
          " ",
        ))
          await sql.unsafe(`delete from ${table}`);
        const slave = await hello(sql, "s", [target(11), target(12)]);
        const held: { token: number; version: string }[] = [];
        for (const [serial, { kind, a }] of history.entries()) {
          const name = names[a] ?? "1.0";
          const job = held[a % Math.max(1, held.length)];
          if (kind === "record")
            await recordProject(
              sql,
              "pkg",
              names.slice(0, a + 1).map((one) => release(one)),
              serial + 1,
            );
          if (kind === "gone")
            await run(sql, "recordRemoval", { name: "pkg", serial: serial + 1, restMs: 0 });
          if (kind === "skip") await change("pkg", [name], { skip: { reason: "no" } });
          if (kind === "unskip") await change("pkg", [name], { skip: { reason: null } });
          if (kind === "skip-all") await change("pkg", [], { skip: { reason: "no" } });
          if (kind === "unskip-all") await change("pkg", [], { skip: { reason: null } });
          if (kind === "yank") await change("pkg", [name], { yank: { reason: "y" } });
          if (kind === "priority") await change("pkg", [], { priority: a });
          if (kind === "create") await change("pkg", [name], { isCreation: true });
          if (kind === "remove") await remove("pkg", [name]);
          if (kind === "remove-all") await remove("pkg", [], { skip: a === 0 ? "out" : null });
          if (kind === "builds") await remove("pkg", [], { isOfBuildsOnly: true });
          if (kind === "lease") {
            const picked = await lease(
              sql,
              slave,
              held.map((one) => one.token),
            );
            if (picked !== null) held.push(picked.order);
          }
          if (job !== undefined && (kind === "build" || kind === "fail" || kind === "block")) {
            held.splice(held.indexOf(job), 1);
            const cause =
              kind === "build" ? "built" : kind === "fail" ? "build-failed" : "dependency-missing";
            await settle(
              sql,
              slave,
              job.token,
              { cause, missing: kind === "block" ? ["nobody"] : [] },
              kind === "build" ? [wheel(job.version, "py3-none-any", `${job.token}`)] : [],
            );
          }
          if (kind === "target") {
            const skip = { reason: a % 2 === 0 ? "no" : null };
            await run(sql, "changeTarget", { name: target(11).name, skip, rank: null });
            await run(sql, "sweepQueue", { retry, absentMs });
            while (await run(sql, "requeueStep", { limit: 100 }));
          }
          const { is, mustBe } = await compared(sql);
          expect(is).toEqual(mustBe);
        }
      }),
      { numRuns: 60 },
    );
  });
});
