/** What wanted packages need in turn: by the database, and by a plain computation on the same random index. */
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openConnection, type Sql } from "../../db/connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { hash, hello, recordProject, release, run, target } from "../support/queue-fixture.ts";

let database: TestDatabase;
let sql: Sql;
let owner: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
  owner = openConnection(database.ownerDsn);
}, 60_000);
afterAll(async () => {
  await owner.end();
  await database.end();
});
beforeEach(empty);

async function empty(): Promise<void> {
  await owner`truncate package, wanted, derived_want, target, slave cascade`;
  await run(sql, "configureFarm", { follow: "wanted", order: "newest", upstreamWheels: "ignore" });
}

/** A project with one release. Null: not built yet, or not known. */
interface Project {
  readonly requires: readonly string[] | null;
  readonly builds: readonly string[] | null;
}
type Index = Readonly<Record<string, Project>>;

const minors = [11, 12];

async function record(index: Index): Promise<void> {
  const slave = await hello(
    sql,
    "a",
    minors.map((minor) => target(minor)),
  );
  let token = 0;
  for (const [name, { requires, builds }] of Object.entries(index)) {
    await recordProject(sql, name, [release("1.0")]);
    const [version] = await sql<{ id: number }[]>`
      update version v set build_requires = ${builds === null ? null : [...builds]}
      from package p where p.id = v.package_id and p.name = ${name} returning v.id`;
    if (requires === null || version === undefined) continue;
    token += 1;
    await sql`
      insert into build (token, version_id, target_id, slave_id)
      values (${token}, ${version.id}, ${slave.targetIds[0] ?? 0}, ${slave.slaveId})`;
    await sql`
      insert into file (version_id, token, filename, sha256, size_bytes, tags, metadata_sha256,
        requires_dist)
      values (${version.id}, ${token}, ${`${name}-1.0-py3-none-any.whl`}, ${hash(name)}, 1,
        ${["py3-none-any"]}, ${hash("m")}, ${[...requires]})`;
  }
}

const want = (texts: readonly string[], withDeps = true, withBuildDeps = false) =>
  run(sql, "addWanted", {
    requirements: texts.map((text) => ({ name: /^\w+/.exec(text)?.[0] ?? "", text })),
    withDeps,
    withBuildDeps,
  });

const derived = async () =>
  (
    await sql<{ requirement: string; minors: number[]; origins: string[] }[]>`
    select d.requirement, d.origins,
      array(select split_part(t.python_version, '.', 2)::int from target t
            where t.id = any(d.target_ids) order by 1) as minors
    from derived_want d order by d.requirement collate "C"`
  ).map((row) => ({ ...row }));

const wantedNames = async () =>
  (
    await sql<{ name: string }[]>`
    select p.name from version v join package p on p.id = v.package_id
    where v.wanted order by 1`
  ).map(({ name }) => name);

describe("what wanted releases need", () => {
  it("is wanted once their wheels are built, with the extras that were asked for, for the targets that are meant", async () => {
    await want(["requests[socks]"]);
    await record({
      requests: {
        requires: [
          "idna<4,>=2.5",
          'pysocks!=1.5.7; extra == "socks"',
          'chardet; extra == "other"',
          'tomli; python_version < "3.12"',
          'winonly; sys_platform == "win32"',
          "local @ file:///etc/passwd",
          "!!no requirement",
        ],
        builds: ["setuptools"],
      },
      pysocks: { requires: [], builds: null },
    });
    await run(sql, "deriveWants", null);
    expect(await derived()).toEqual([
      { requirement: "idna<4,>=2.5", minors, origins: ["requests 1.0"] },
      { requirement: "pysocks!=1.5.7", minors, origins: ["requests 1.0"] },
      { requirement: "tomli", minors: [11], origins: ["requests 1.0"] },
    ]);
    expect(await wantedNames()).toEqual(["pysocks", "requests"]);
    // Projects that the farm did not know are read.
    const known = await sql<{ name: string }[]>`select name from package order by name`;
    expect(known.map(({ name }) => name)).toEqual(["idna", "pysocks", "requests", "tomli"]);
  });

  it("is not wanted where nobody asked for that", async () => {
    await want(["a"], false, false);
    await record({ a: { requires: ["b"], builds: ["c"] } });
    expect(await run(sql, "deriveWants", null)).toEqual({ changed: 0, derived: 0 });
    expect(await wantedNames()).toEqual(["a"]);
  });

  it("to be built is wanted with what that needs at run time", async () => {
    await want(["a"], false, true);
    await record({
      a: { requires: ["unwanted"], builds: ["b"] },
      b: { requires: ["c"], builds: ["d"] },
      c: { requires: [], builds: null },
      d: { requires: null, builds: null },
      unwanted: { requires: [], builds: [] },
    });
    await run(sql, "deriveWants", null);
    expect(await wantedNames()).toEqual(["a", "b", "c", "d"]);
    expect((await derived())[0]).toMatchObject({ requirement: "b", origins: ["a 1.0 (build)"] });
  });

  it("goes when what it came from goes, also in a circle, and stays where somebody else needs it", async () => {
    await want(["a"]);
    await want(["z"]);
    await record({
      a: { requires: ["b"], builds: null },
      b: { requires: ["c", "shared"], builds: null },
      c: { requires: ["b"], builds: null },
      shared: { requires: [], builds: null },
      z: { requires: ["shared"], builds: null },
    });
    await run(sql, "deriveWants", null);
    expect(await wantedNames()).toEqual(["a", "b", "c", "shared", "z"]);
    const shared = async () => (await derived()).find((row) => row.requirement === "shared");
    expect((await shared())?.origins).toEqual(["b 1.0", "z 1.0"]);
    await run(sql, "removeWanted", { requirements: ["a"] });
    await run(sql, "deriveWants", null);
    expect(await wantedNames()).toEqual(["shared", "z"]);
    expect((await shared())?.origins).toEqual(["z 1.0"]);
    expect(await run(sql, "deriveWants", null)).toEqual({ changed: 0, derived: 1 });
  });

  const names = ["a", "b", "c", "d", "e"];
  const requirement = fc
    .tuple(
      fc.constantFrom(...names),
      fc.constantFrom("", "[x]", "[y]"),
      fc.constantFrom("", '; python_version < "3.12"', '; extra == "x"', '; extra == "y"'),
    )
    .map((parts) => parts.join(""));
  const needs = fc.option(fc.uniqueArray(requirement, { maxLength: 3 }), { nil: null });
  const indexes = fc.record(
    Object.fromEntries(names.map((name) => [name, fc.record({ requires: needs, builds: needs })])),
  ) as fc.Arbitrary<Index>;
  const root = fc.tuple(fc.constantFrom("a", "b[x]", "c[x,y]"), fc.boolean(), fc.boolean());

  /** A step for each requirement, target and way of following, until nothing is new. */
  function naive(index: Index, roots: readonly (readonly [string, boolean, boolean])[]) {
    const found = new Map<string, Set<number>>();
    const done = new Set<string>();
    const visit = (text: string, minor: number, deps: boolean, build: boolean): void => {
      const step = `${text} ${minor} ${deps} ${build}`;
      if (done.has(step)) return;
      done.add(step);
      const [name = "", extras = ""] = text.split(/[[\]]/);
      const asked = extras.split(",");
      const each = (
        requires: readonly string[] | null | undefined,
        withExtras: readonly string[],
        then: (next: string) => void,
      ) => {
        for (const line of requires ?? []) {
          const [next = "", marker = ""] = line.split("; ");
          const extra = /extra == "(.)"/.exec(marker)?.[1];
          if (extra !== undefined && !withExtras.includes(extra)) continue;
          if (marker.startsWith("python") && minor >= 12) continue;
          found.set(next, (found.get(next) ?? new Set()).add(minor));
          then(next);
        }
      };
      if (deps) each(index[name]?.requires, asked, (next) => visit(next, minor, deps, build));
      if (build) each(index[name]?.builds, [], (next) => visit(next, minor, true, true));
    };
    for (const [text, deps, build] of roots)
      for (const minor of minors) visit(text, minor, deps, build);
    return [...found]
      .map(([text, set]) => ({ requirement: text, minors: [...set].sort() }))
      .sort((x, y) => (x.requirement < y.requirement ? -1 : 1));
  }

  it("is what a plain computation says, for any index, and for one that takes its place", {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(indexes, { minLength: 1, maxLength: 2 }),
        fc.uniqueArray(root, { minLength: 1, maxLength: 3, selector: ([text]) => text }),
        async (states, roots) => {
          await empty();
          for (const [text, deps, build] of roots) await want([text], deps, build);
          for (const index of states) {
            await owner`truncate file, build cascade`;
            await record(index);
            await run(sql, "deriveWants", null);
            const rows = (await derived()).map(({ origins: _, ...row }) => row);
            expect(rows).toEqual(naive(index, roots));
            const expected = new Set(
              [...roots.map(([text]) => text), ...rows.map((row) => row.requirement)].map(
                (text) => text.split("[")[0],
              ),
            );
            expect(await wantedNames()).toEqual([...expected].sort());
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});
