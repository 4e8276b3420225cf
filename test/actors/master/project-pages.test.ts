/** What is written of a project says what the database says, on all its pages alike: of every state and cause. */

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { writeProjectPages } from "../../../actors/master/site/project-pages.ts";
import type { Desk } from "../../../actors/master/site/writer.ts";
import { causes, verdictOf } from "../../../protocol/model/cause.ts";
import { RootIndex } from "../../../web/index/root-index.ts";
import { type ProjectJson, projectJsonSchema } from "../../../web/pages/project-json.ts";
import { stateWords } from "../../../web/pages/words.ts";
import { openLocalStorage } from "../../../web/storage.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import {
  emptyTables,
  hello,
  lease,
  recordProject,
  release,
  run,
  settle,
  type TestSlave,
  target,
  wheel,
} from "../../support/queue-fixture.ts";
import { makeScratchFolder } from "../../web/scratch-folder.ts";

const site = { name: "Wheelwright", url: "https://farm.example/" };
const hostile = `"><img src=x onerror=alert(1)>'</title></pre><script>alert(1)</script>`;

let database: TestDatabase;
let output: string;
let desk: Desk;
beforeAll(async () => {
  database = await createTestDatabase();
  output = await makeScratchFolder();
  const storage = await openLocalStorage(output);
  desk = {
    ask: (name, args) => run(database.sql, name, args),
    storage,
    site,
    root: new RootIndex(storage),
  };
});
afterAll(async () => {
  await database.end();
  await rm(output, { recursive: true, force: true });
});
beforeEach(async () => {
  await emptyTables(database.sql);
  await rm(join(output, "project"), { recursive: true, force: true });
  await rm(join(output, "badge"), { recursive: true, force: true });
});

const textOf = (key: string) => readFile(join(output, key), "utf8");
const filesBelow = async (folder: string) =>
  (await readdir(join(output, folder), { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(output.length + 1))
    .filter((key) => !/\.(gz|br)$/.test(key))
    .sort();
const jsonOf = async (name: string): Promise<ProjectJson> =>
  projectJsonSchema.strict().parse(JSON.parse(await textOf(`project/${name}/json/index.json`)));

/** States by `version target`, as the page's tables have them; each version is in one of them. */
function statesOnPage(text: string, targets: readonly string[]): Map<string, string> {
  const states = new Map<string, string>();
  const words = new Map(Object.entries(stateWords).map(([state, { text: word }]) => [word, state]));
  for (const row of text.matchAll(/<tr><th scope="row">([^\s<]+)[^\n]*<\/tr>/g)) {
    const cells = [...row[0].matchAll(/<td[^>]*>(.*?)<\/td>/g)].slice(1);
    if (cells.length !== targets.length) continue;
    for (const [index, [, cell = ""]] of cells.entries()) {
      const word = cell.replaceAll(/<span aria-hidden="true">.*?<\/span>|<[^>]*>/g, "").trim();
      if (word !== "") states.set(`${row[1]} ${targets[index]}`, words.get(word) ?? `? ${word}`);
    }
  }
  return states;
}

async function take(slave: TestSlave): Promise<{ token: number; version: string }> {
  const taken = await lease(database.sql, slave);
  if (taken === null) throw new Error("nothing to lease");
  return { token: taken.order.token, version: taken.order.version };
}

describe("what is written of a project", () => {
  it("is the same on its page, in its JSON and in the database, in each state and after each cause", async () => {
    const { sql } = database;
    const slave = await hello(sql, "a", [target(9), target(11), target(13)]);
    // The queue gives the newest first: each version gets an end of its own.
    const ends = causes.filter((cause) => cause !== "built");
    const versions = [...ends.map((_cause, index) => `${100 - index}.0`), "50.0", "40.0", "30.0"];
    await recordProject(sql, "pkg", [
      ...versions.map((version) => release(version)),
      release("20.0", { requiresPython: ">=3.11" }),
      release("10.0", { sdist: null, skip: "binary only" }),
      release("9.0", { yanked: hostile, sdist: null, skip: "no hash" }),
    ]);
    for (const cause of ends) {
      const { token } = await take(slave);
      const missing = cause === "dependency-missing" ? ["gone>1.0", hostile] : [];
      await settle(sql, slave, token, { cause, missing, message: `${cause} ${hostile}` });
    }
    const built = await take(slave);
    const resolved = [{ name: "setuptools", version: "80.9.0", sha256: null }];
    const requiresDist = ["Other-Thing>=1; extra == 'x'", "gone", hostile];
    const native = { ...wheel(built.version, "cp39-cp39-linux_x86_64"), requiresDist };
    await settle(sql, slave, built.token, { resolved }, [native]);
    // What one build covers for all.
    const pure = await take(slave);
    await settle(sql, slave, pure.token, {}, [
      { ...wheel(pure.version, "py3-none-any"), suspicious: hostile, aptDependencies: ["zlib1g"] },
    ]);
    await take(slave);
    await sql`update file set placed_at = now()`;
    await sql`update build set log_placed_at = now() where settled_at is not null`;

    await writeProjectPages(desk, ["pkg"]);
    const json = await jsonOf("pkg");
    const page = await textOf("project/pkg/index.html");

    const inJson = new Map(
      Object.entries(json.releases).flatMap(([version, { builds }]) =>
        Object.entries(builds).map(([name, { state }]) => [`${version} ${name}`, state as string]),
      ),
    );
    expect(statesOnPage(page, json.targets)).toEqual(inJson);
    const queued = await sql<{ cell: string; state: string }[]>`
      select v.spelling || ' ' || t.name as cell, w.state from work w
      join version v on v.id = w.version_id join target t on t.id = w.target_id`;
    expect(queued.length).toBeGreaterThan(5);
    for (const { cell, state } of queued) expect([cell, inJson.get(cell)]).toEqual([cell, state]);
    const stand = await sql<{ cell: string; cause: string }[]>`
      select v.spelling || ' ' || t.name as cell, b.cause from build b
      join version v on v.id = b.version_id join target t on t.id = b.target_id where b.stands`;
    for (const { cell, cause } of stand)
      expect([cell, inJson.get(cell)]).toEqual([cell, cause === "built" ? "built" : "failed"]);
    expect(new Set(inJson.values())).toEqual(
      new Set("built covered failed blocked ready leased waiting behind excluded".split(" ")),
    );

    const told = Object.values(json.releases).flatMap(({ builds }) => Object.values(builds));
    const ended = await sql<{ cause: string; message: string; token: number }[]>`
      select cause, message, token from build where settled_at is not null`;
    expect(ended.length).toBe(causes.length + 1);
    for (const { cause, message, token } of ended) {
      const log = `/logs/0000/${String(token)
        .padStart(8, "0")
        .replace(/(....)$/, "/$1")}.txt.gz`;
      expect(told).toContainEqual(
        expect.objectContaining({ cause, message, log_url: `https://farm.example${log}` }),
      );
      expect(page).toContain(`href="${log}"`);
    }
    expect(told.filter((build) => build.waits_for.length > 0)).toMatchObject([
      { state: "blocked", waits_for: expect.arrayContaining(["gone>1.0", hostile]) as string[] },
    ]);
    expect(told.some((build) => build.resolved?.[0]?.name === "setuptools")).toBe(true);

    const files = await sql<{ filename: string; sha256: string; size: number }[]>`
      select filename, sha256, size_bytes as size from file`;
    const listed = Object.values(json.releases).flatMap((each) => Object.entries(each.files));
    expect(
      listed.map(([filename, { filehash, filesize }]) => [filename, filehash, filesize]).sort(),
    ).toEqual(files.map(({ filename, sha256, size }) => [filename, sha256, size]).sort());
    for (const { filename, sha256 } of files)
      expect(page).toContain(`href="/simple/pkg/${filename}#sha256=${sha256}"`);
    expect(json.releases["10.0"]).toMatchObject({ skip_reason: "binary only", builds: {} });
    expect(json.releases["9.0"]).toMatchObject({ yanked: true, yanked_reason: hostile });

    for (const text of [
      page,
      await textOf("badge/pkg.svg"),
      await textOf("project/pkg/builds.xml"),
    ])
      expect(text).not.toMatch(/<img src=x|<script(?! type="module" src="\/assets)/);
    expect((await textOf("project/pkg/builds.xml")).match(/<entry>/g)).toHaveLength(ended.length);
  });

  it("tells what came from elsewhere, and what is being dropped", async () => {
    const { sql } = database;
    const rules = { follow: "all", order: "newest" } as const;
    await run(sql, "configureFarm", { ...rules, upstreamWheels: "count" });
    const slave = await hello(sql, "a", [target(11)]);
    const upstreamTags = ["cp311-cp311-linux_x86_64"];
    const others = ["3.0", "2.0"].map((version) => release(version));
    await recordProject(sql, "pkg", [...others, release("1.0", { upstreamTags })]);
    const { token } = await take(slave);
    await settle(sql, slave, token, {}, [wheel("3.0", "py3-none-any")]);
    await sql`insert into import (key, token) values ('pages', ${token})`;
    await take(slave);
    await sql`update work set state = 'cancelled' where state = 'leased'`;
    await writeProjectPages(desk, ["pkg"]);
    const { releases } = await jsonOf("pkg");
    const states = ["3.0", "2.0", "1.0"].map(
      (version) => releases[version]?.builds["cp311-linux_x86_64"]?.state,
    );
    expect(states).toEqual(["imported", "skipped", "upstream"]);
    await sql`delete from import`;
    await run(sql, "configureFarm", { ...rules, upstreamWheels: "ignore" });
  });

  it("says of failures which stand and which are tried again, as their causes have it", async () => {
    const { sql } = database;
    const slave = await hello(sql, "a", [target(11)]);
    const ends = causes.filter((cause) => cause !== "built");
    await recordProject(
      sql,
      "pkg",
      ends.map((_each, index) => release(`${100 - index}.0`)),
    );
    for (const cause of ends) {
      const { token } = await take(slave);
      await settle(sql, slave, token, { cause, missing: ["gone"] });
    }
    await writeProjectPages(desk, ["pkg"]);
    const { releases } = await jsonOf("pkg");
    for (const { builds } of Object.values(releases))
      for (const { cause, state } of Object.values(builds)) {
        const verdict = verdictOf(cause ?? "built");
        const expected = { failure: /failed/, transient: /ready|waiting/, blocked: /blocked/ };
        expect([cause, state]).toEqual([
          cause,
          expect.stringMatching(expected[verdict as keyof typeof expected]),
        ]);
      }
  });

  it("has a page, a badge and a feed; other spellings of its name lead to it; all of it goes with the project", async () => {
    const { sql } = database;
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "tide-pool", [release("1.0")]);
    await recordProject(sql, "own-project", [release("1.0", { sdist: null, skip: "binary only" })]);
    const aliases = ["Tide_Pool", "My_Tides", "own-project", "../escape"];
    for (const alias of aliases)
      await sql`
        insert into package_alias (alias, package_id)
        select ${alias}, id from package where name = 'tide-pool' on conflict do nothing`;
    await writeProjectPages(desk, ["tide-pool"]);
    const untried = [
      "project/My_Tides/index.html",
      "project/Tide_Pool/index.html",
      "project/my-tides/index.html",
      "project/tide-pool/index.html",
      "project/tide-pool/json/index.json",
    ];
    expect(await filesBelow("project")).toEqual(untried);
    expect(await filesBelow("badge")).toEqual([]);
    expect(await textOf("project/My_Tides/index.html")).toContain("url=/project/tide-pool/");

    const { token } = await take(slave);
    await settle(sql, slave, token, { cause: "build-failed" });
    await writeProjectPages(desk, ["tide-pool"]);
    expect(await filesBelow("badge")).toEqual(["badge/tide-pool.svg"]);
    expect(await filesBelow("project")).toEqual(
      [...untried, "project/tide-pool/builds.xml"].sort(),
    );

    await sql`update package set skip = 'deleted'`;
    await writeProjectPages(desk, ["tide-pool"]);
    expect(await filesBelow("project")).toEqual([]);
    expect(await filesBelow("badge")).toEqual([]);
  });

  it("of 120 releases is in the archive, from the oldest on, and shrinks with them", async () => {
    const { sql } = database;
    await hello(sql, "a", [target(11)]);
    const versions = Array.from({ length: 120 }, (_, index) => `${index + 1}.0`);
    await recordProject(
      sql,
      "pkg",
      versions.map((version) => release(version)),
    );
    await writeProjectPages(desk, ["pkg"]);
    const pages = (await filesBelow("project/pkg")).filter((key) => key.includes("releases"));
    expect(pages).toEqual([1, 2, 3].map((page) => `project/pkg/releases/${page}/index.html`));
    expect(Object.keys((await jsonOf("pkg")).releases)).toHaveLength(120);
    const oldest = await textOf("project/pkg/releases/1/index.html");
    expect(oldest).toMatch(/<th scope="row">50\.0<.*<th scope="row">1\.0</s);
    expect(oldest).not.toContain('<th scope="row">51.0<');
    const page = await textOf("project/pkg/index.html");
    expect(page).toMatch(/<th scope="row">120\.0<.*<th scope="row">71\.0</s);
    expect(page).not.toContain('<th scope="row">70.0<');
    expect(page).toContain('<a href="/project/pkg/releases/3/">page 3</a>');

    await recordProject(
      sql,
      "pkg",
      versions.slice(0, 40).map((version) => release(version)),
      2,
    );
    await writeProjectPages(desk, ["pkg"]);
    expect((await filesBelow("project/pkg")).filter((key) => key.includes("releases"))).toEqual([]);
  });

  it("leads upstream without the credentials of its address, and from one project to another", async () => {
    const { sql } = database;
    await sql`update configuration set upstream_index = 'https://me:secret@up.example/simple/'`;
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0")]);
    const { token } = await take(slave);
    const requiresDist = ["numpy>=1", "other[x]>2; python_version<'3.9' and extra == 'plot'"];
    await settle(sql, slave, token, {}, [{ ...wheel("1.0", "py3-none-any"), requiresDist }]);
    await sql`update file set placed_at = now()`;
    await recordProject(sql, "numpy", [release("1.0")]);
    await writeProjectPages(desk, ["pkg"]);
    const page = await textOf("project/pkg/index.html");
    expect(page).not.toContain("secret");
    expect(page).toContain('href="https://up.example/simple/pkg/"');
    expect(page).toContain('<a href="/project/numpy/"><code>numpy&gt;=1</code></a>');
    expect(page).toContain('href="https://up.example/simple/other/"');
    expect(page).toContain("<code>pkg[plot]</code>");
    await sql`update configuration set upstream_index = null`;
  });
});
