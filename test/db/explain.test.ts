/** Why a version is or is not on the queue, and its position: what `piw status PACKAGE` is told. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  emptyTables,
  hello,
  lease,
  recordProject,
  release,
  retry,
  run,
  settle,
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
  await run(sql, "configureFarm", { follow: "all", order: "newest", upstreamWheels: "count" });
});

/** `version target state: reason`, with the position of a ready one. */
async function told(version: string | null = null): Promise<string[]> {
  const report = await run(sql, "explainQueue", { package: "pkg", version });
  return report.standings.map((one) => {
    const place = one.position === null ? "" : ` ${one.position}`;
    return `${one.version} ${one.target} ${one.state}${place}: ${one.reason}`.trim();
  });
}

const instant = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`;

describe("of a package that is known", () => {
  it("says for each version and target what keeps it off the queue", async () => {
    await recordProject(sql, "pkg", [
      release("1.0", { requiresPython: ">=3.12" }),
      release("2.0", { sdist: null, skip: "binary only" }),
      release("3.0", { upstreamTags: ["cp311-none-any", "cp311-cp311-win32"] }),
      release("4.0"),
    ]);
    await hello(sql, "a", [target(11), target(12)]);
    expect(await told()).toEqual([
      "4.0 cp311-linux_x86_64 ready 1:",
      "4.0 cp312-linux_x86_64 behind: another target goes first: most wheels turn out to fit all of them",
      "3.0 cp311-linux_x86_64 upstream: upstream has a wheel for it (cp311-none-any)",
      "3.0 cp312-linux_x86_64 ready 1:",
      "2.0 cp311-linux_x86_64 skipped: the version is skipped: binary only",
      "2.0 cp312-linux_x86_64 skipped: the version is skipped: binary only",
      "1.0 cp311-linux_x86_64 excluded: Requires-Python is >=3.12",
      "1.0 cp312-linux_x86_64 ready 2:",
    ]);
  });

  it("says who builds it, what it waits for, and what became of it", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [
      release("1.0"),
      release("2.0"),
      release("3.0"),
      release("4.0"),
      release("5.0"),
    ]);
    const tokens: number[] = [];
    for (let at = 0; at < 5; at += 1)
      tokens.push((await lease(sql, slave, tokens))?.order.token ?? 0);
    const [, fourth = 0, third = 0, second = 0, first = 0] = tokens;
    await settle(sql, slave, fourth, { cause: "build-failed", message: "no compiler" });
    await settle(sql, slave, third, { cause: "dependency-missing", missing: ["cython>=9"] });
    await settle(sql, slave, second, { cause: "out-of-disk" });
    await settle(sql, slave, first, {}, [wheel("1.0", "py3-none-any")]);
    const lines = await told();
    expect(lines).toHaveLength(5);
    for (const [at, pattern] of [
      `^5.0 \\S+ leased: a builds it since ${instant}$`,
      `^4.0 \\S+ failed: the build failed: no compiler, at ${instant}$`,
      "^3.0 \\S+ blocked: needs cython>=9, which no index has$",
      `^2.0 \\S+ waiting: tried again at ${instant}; 1 attempt did not count: the slave ran out of disk$`,
      "^1.0 \\S+ built: pkg-1.0-py3-none-any.whl$",
    ].entries())
      expect(lines[at]).toMatch(new RegExp(pattern));
  });

  it("says what is not wanted, and what a person has skipped", async () => {
    await run(sql, "configureFarm", {
      follow: "wanted",
      order: "newest",
      upstreamWheels: "ignore",
    });
    await run(sql, "addWanted", {
      requirements: [{ name: "pkg", text: "pkg<2" }],
      withDeps: false,
      withBuildDeps: false,
    });
    await recordProject(sql, "pkg", [release("1.0"), release("2.0")]);
    await hello(sql, "a", [target(11)]);
    expect(await told("2.0")).toEqual([
      "2.0 cp311-linux_x86_64 unwanted: no wanted requirement selects it",
    ]);
    await sql`update package set skip = 'licence'`;
    expect(await told("1")).toEqual([
      "1.0 cp311-linux_x86_64 skipped: the package is skipped: licence",
    ]);
  });

  it("answers before any slave came, for another spelling, and not for a version that there is not", async () => {
    await run(sql, "recordProject", {
      name: "pkg",
      displayName: "P.K_G",
      summary: "",
      serial: 1,
      releases: [release("1.0")],
    });
    const asked = { package: "P.K_G", version: "1.0.0" };
    expect((await run(sql, "explainQueue", asked)).standings).toMatchObject([{ state: "pending" }]);
    for (const version of ["9", "not a version"]) expect(await told(version)).toEqual([]);
  });

  it("counts positions in the order in which builds are given out, and not without end", async () => {
    const slave = await hello(sql, "a", [target(11)]);
    const versions = Array.from({ length: 60 }, (_, at) => `${at + 1}.0`);
    await recordProject(
      sql,
      "pkg",
      versions.map((version) => release(version)),
    );
    await recordProject(sql, "other", [release("100.0")]);
    await run(sql, "changePackage", {
      package: "pkg",
      versions: ["7.0"],
      isCreation: false,
      skip: null,
      yank: null,
      aliases: [],
      summary: null,
      releasedAt: null,
      priority: 1,
    });
    const report = await run(sql, "explainQueue", { package: "pkg", version: null });
    expect([report.versions, report.isCut, report.standings.length]).toEqual([60, true, 50]);
    // The other package has one that is newer, and 7.0 comes before all.
    expect(await told("60")).toEqual(["60.0 cp311-linux_x86_64 ready 3:"]);
    expect(await told("7")).toEqual(["7.0 cp311-linux_x86_64 ready 1:"]);
    expect((await lease(sql, slave))?.order.version).toBe("7.0");
    expect(await told("1")).toEqual(["1.0 cp311-linux_x86_64 ready 60:"]);
    await sql`
      insert into version (package_id, version, spelling, sort_key, prerelease, wanted, sdist_sha256)
      select id, 'x' || n, 'x', 'zz' || n, false, true, '' from package, generate_series(1, 10000) n
      where name = 'other'`;
    await sql`
      insert into work select v.id, t.id, 'ready', 1::bigint << 41 from version v, target t
      where v.version like 'x%'`;
    expect(await told("1")).toEqual(["1.0 cp311-linux_x86_64 ready:"]);
  });

  it("tells what was installed to build a version that was asked for, of the build that stands", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { order } = (await lease(sql, slave)) ?? {};
    const resolvedOf = async (version: string | null) =>
      (await run(sql, "explainQueue", { package: "pkg", version })).standings.map(
        ({ resolved }) => resolved,
      );
    expect(await resolvedOf("1.0")).toEqual([null]);
    const resolved = [
      { name: "setuptools", version: "80.1", sha256: "a".repeat(64) },
      { name: "wheel", version: "0.45", sha256: null },
    ];
    await sql`update build set stands = true, settled_at = now(), cause = 'built', resolved = ${sql.json(resolved)}
      where token = ${order?.token ?? 0}`;
    expect(await resolvedOf("1.0")).toEqual([resolved]);
    // For many versions it would be long.
    expect(await resolvedOf(null)).toEqual([null]);
  });

  it("says how many attempts a build has behind it", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    const slave = await hello(sql, "a", [target(11)]);
    const { order } = (await lease(sql, slave)) ?? {};
    await sql`update lease set expires_at = now() - interval '1 second' where token = ${order?.token ?? 0}`;
    await run(sql, "sweepQueue", { retry, absentMs: 3_600_000 });
    expect(await told()).toEqual([
      "1.0 cp311-linux_x86_64 ready 1: 1 attempt did not count: the slave was lost",
    ]);
  });
});

describe("of a package that is not known", () => {
  it("names those that begin alike", async () => {
    for (const name of ["numpy", "numba", "nox", "six"]) await recordProject(sql, name, []);
    const report = await run(sql, "explainQueue", { package: "nunpy", version: null });
    expect(report).toMatchObject({ package: "nunpy", isKnown: false, versions: 0, standings: [] });
    expect(report.similar).toEqual(expect.arrayContaining(["numpy", "numba"]));
    const strange = await run(sql, "explainQueue", { package: "%_\\'; --", version: "1" });
    expect(strange.isKnown).toBe(false);
  });
});
