/** Which pages are written when, and how far a rebuild of all of them is. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { publishFiles } from "../support/published-files.ts";
import { emptyTables, recordProject, release, run } from "../support/queue-fixture.ts";

let database: TestDatabase;
let sql: TestDatabase["sql"];
beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
});
afterAll(() => database.end());
beforeEach(async () => {
  await sql`delete from page_rebuild`;
  await sql`delete from page_written`;
  await emptyTables(sql);
});

const ask = (...pages: [kind: "simple" | "root" | "project" | "home" | "search", key: string][]) =>
  run(sql, "requestPage", { pages: pages.map(([kind, key]) => ({ kind, key })) });
const due = async (gatherMs = 0, limit = 100) =>
  (await run(sql, "duePages", { gatherMs, limit })).map(({ kind, key }) => `${kind} ${key}`.trim());
const fail = async (reason: string, limit = 100) => {
  const pages = await run(sql, "duePages", { gatherMs: 0, limit });
  await run(sql, "pagesFailed", { failures: pages.map((page) => ({ page, reason })) });
};
const age = (interval: string) =>
  sql`update page_request set requested_at = requested_at - ${interval}::interval,
    renewed_at = renewed_at - ${interval}::interval`;

describe("pages that are due", () => {
  it("are those of the whole farm first, then simple pages, then others by age", async () => {
    await ask(["project", "old"]);
    await age("1 hour");
    await ask(["project", "new"], ["home", ""], ["simple", "a"], ["root", ""], ["search", ""]);
    expect(await due()).toEqual([
      "home",
      "root",
      "search",
      "simple a",
      "project old",
      "project new",
    ]);
    expect(await due(0, 4)).toEqual(["home", "root", "search", "simple a"]);
    expect(await due(3_600_000)).toEqual(["simple a", "project old"]);
  });

  it("are those of the whole farm only when the last ones have stood for a while", async () => {
    const both: Parameters<typeof ask> = [
      ["home", ""],
      ["search", ""],
    ];
    await ask(...both);
    await run(sql, "pagesWritten", {
      pages: await run(sql, "duePages", { gatherMs: 0, limit: 10 }),
    });
    await ask(...both);
    await age("4 seconds");
    expect(await due(60_000)).toEqual([]);
    // Nobody has asked again for a while: what is shown is to be how it ended.
    await age("3 seconds");
    expect(await due(60_000)).toEqual(["home"]);
    await ask(...both);
    await sql`update page_request set renewed_at = now() - interval '4 seconds'`;
    await sql`update page_written set written_at = written_at - interval '61 seconds'`;
    expect(await due(60_000)).toEqual(["home"]);
    await sql`update page_written set written_at = written_at - interval '10 minutes'`;
    expect(await due(60_000)).toEqual(["home", "search"]);
  });

  it("are the search list too where the root was written with other packages than it has", async () => {
    await run(sql, "pagesWritten", { pages: [{ kind: "search", key: "", generation: 1 }] });
    await run(sql, "pagesWritten", { pages: [{ kind: "root", key: "", generation: 1 }] });
    expect(await due()).toEqual([]);
    await sql`insert into tally (name, target_id, n, at) values ('packages', 0, 1, now())`;
    await run(sql, "pagesWritten", { pages: [{ kind: "root", key: "", generation: 1 }] });
    expect(await due()).toEqual(["search"]);
    // Another one comes while the list is being written: it is owed again.
    const inHand = await run(sql, "duePages", { gatherMs: 0, limit: 10 });
    await sql`insert into tally (name, target_id, n, at) values ('packages', 0, 1, now())`;
    await run(sql, "pagesWritten", { pages: [{ kind: "root", key: "", generation: 1 }] });
    await run(sql, "pagesWritten", { pages: inHand });
    expect(await due()).toEqual(["search"]);
    await sql`delete from tally`;
  });

  it("are crossed off by their generation: what was asked for again stays", async () => {
    await ask(["simple", "a"], ["simple", "b"], ["project", "a"]);
    const pages = await run(sql, "duePages", { gatherMs: 0, limit: 10 });
    await ask(["simple", "b"]);
    await run(sql, "pagesWritten", { pages });
    expect(await due()).toEqual(["simple b"]);
  });
});

describe("a page that could not be written", () => {
  it("waits for its next attempt, longer each time, and others do not wait for it", async () => {
    await ask(["project", "bad"]);
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      await fail("bad data");
      expect(await due()).toEqual([]);
      const [row] = await sql<{ pause: number }[]>`
        select round(extract(epoch from retry_at - now()))::int as pause from page_request`;
      pauses.push(row?.pause ?? 0);
      await sql`update page_request set retry_at = now()`;
    }
    expect(pauses.slice(0, 4)).toEqual([1, 2, 4, 8]);
    expect(pauses.at(-1)).toBe(600);
    await ask(["project", "good"]);
    await fail("bad data", 1);
    expect(await due()).toEqual(["project good"]);
    expect(await run(sql, "failingPages", null)).toEqual({
      count: 1,
      kind: "project",
      key: "bad",
      attempts: 13,
      reason: "bad data",
    });
  });

  it("is due at once when it is asked for again, and is no failure once it is written", async () => {
    await ask(["simple", "bad"]);
    await fail("bad data");
    await ask(["simple", "bad"]);
    expect(await due()).toEqual(["simple bad"]);
    await fail("bad data");
    await sql`update page_request set retry_at = now()`;
    expect(await run(sql, "failingPages", null)).toMatchObject({ count: 1, attempts: 1 });
    await run(sql, "pagesWritten", {
      pages: await run(sql, "duePages", { gatherMs: 0, limit: 1 }),
    });
    expect(await run(sql, "failingPages", null)).toBeNull();
  });
});

describe("a rebuild of all pages", () => {
  const next = async (limit = 2) => {
    const stretch = await run(sql, "nextOfRebuild", { limit });
    if (stretch !== null) await run(sql, "rebuildAdvanced", stretch);
    return stretch === null ? null : `${stretch.kind}: ${stretch.names.join(" ")}`.trim();
  };

  it("goes through the packages by name, simple pages first, and then is at its end", async () => {
    await publishFiles(sql, { packages: 3, releases: 1, filesPerRelease: 1 });
    await recordProject(sql, "never-tried", [release("1.0")]);
    await sql`delete from page_request`;
    await run(sql, "startRebuild", { kinds: ["project", "simple"], reason: "asked for" });
    expect(await due()).toEqual(["root"]);
    const seen: (string | null)[] = [];
    for (let at = 0; at < 7; at += 1) seen.push(await next());
    expect(seen).toEqual([
      "simple: pkg-000001 pkg-000002",
      "simple: pkg-000003",
      "simple:",
      "project: pkg-000001 pkg-000002",
      "project: pkg-000003",
      "project:",
      null,
    ]);
    const [one] = await run(sql, "rebuilds", null);
    expect(one).toMatchObject({ kind: "project", done: 3, total: 3, reason: "asked for" });
    expect(one?.endedAt).toBeGreaterThanOrEqual(one?.startedAt ?? 0);
  });

  it("that is asked for again begins anew, and what was under way does not move it", async () => {
    await publishFiles(sql, { packages: 3, releases: 1, filesPerRelease: 1 });
    await run(sql, "startRebuild", { kinds: ["project"], reason: "one" });
    const first = await run(sql, "nextOfRebuild", { limit: 2 });
    if (first === null) throw new Error("there is one");
    await run(sql, "startRebuild", { kinds: ["project"], reason: "two" });
    await run(sql, "rebuildAdvanced", first);
    expect(await run(sql, "rebuilds", null)).toMatchObject([{ after: "", done: 0, reason: "two" }]);
    const second = await run(sql, "nextOfRebuild", { limit: 2 });
    if (second === null) throw new Error("there is one");
    await run(sql, "rebuildAdvanced", second);
    // Told twice, it counts once.
    await run(sql, "rebuildAdvanced", second);
    expect(await run(sql, "rebuilds", null)).toMatchObject([{ after: "pkg-000002", done: 2 }]);
  });

  it("is asked for when something else made the pages, and only then", async () => {
    await publishFiles(sql, { packages: 1, releases: 1, filesPerRelease: 1 });
    await run(sql, "openSite", { madeBy: "one", missing: [] });
    await sql`delete from page_rebuild`;
    await sql`delete from page_request`;
    expect(await run(sql, "openSite", { madeBy: "one", missing: [] })).toEqual({
      isRebuilt: false,
    });
    expect(await due()).toEqual([]);
    expect(await run(sql, "openSite", { madeBy: "one", missing: ["home"] })).toEqual({
      isRebuilt: false,
    });
    expect(await due()).toEqual(["home"]);
    expect(await run(sql, "rebuilds", null)).toEqual([]);
    expect(await run(sql, "openSite", { madeBy: "two", missing: [] })).toEqual({ isRebuilt: true });
    expect(await due()).toEqual(["home", "root", "search"]);
    expect((await run(sql, "rebuilds", null)).map(({ kind }) => kind)).toEqual([
      "project",
      "simple",
    ]);
  });

  it("takes up the downloads of packages that have some once a day, and of those alone", async () => {
    await publishFiles(sql, { packages: 3, releases: 1, filesPerRelease: 1 });
    expect(await run(sql, "tendPages", null)).toBe(false);
    await sql`insert into access_package_day (package, day, downloads) values
      ('pkg-000002', (now() at time zone 'UTC')::date, 5), ('stranger', (now() at time zone 'UTC')::date, 5)`;
    expect(await run(sql, "tendPages", null)).toBe(true);
    expect(await due()).toEqual(["search"]);
    expect(await next()).toBe("downloads: pkg-000002");
    expect(await next()).toBe("downloads:");
    await run(sql, "pagesWritten", {
      pages: await run(sql, "duePages", { gatherMs: 0, limit: 10 }),
    });
    expect(await run(sql, "tendPages", null)).toBe(false);
    await sql`update page_rebuild set started_at = started_at - interval '25 hours'`;
    await sql`update page_written set written_at = written_at - interval '61 minutes'`;
    expect(await run(sql, "tendPages", null)).toBe(true);
    await sql`delete from access_package_day`;
  });
});
