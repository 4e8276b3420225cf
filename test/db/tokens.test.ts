/** Tokens in the database: made once, good until they are revoked or expire, and never to be read from it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
import type { RequestArgs } from "../../db/requests.ts";
import { MOST_TOKENS } from "../../protocol/model/access-token.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { hash, run } from "../support/queue-fixture.ts";

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await sql`delete from access_token`;
});

const create = async (name: string, more: Partial<RequestArgs<"createToken">> = {}) =>
  (
    await run(sql, "createToken", {
      name,
      right: "watch",
      sha256: hash(name),
      lifetimeMs: null,
      ...more,
    })
  ).outcome;
const check = (name: string) => run(sql, "checkToken", { sha256: hash(name) });
const states = async () =>
  (await run(sql, "listTokens", null)).map(({ name, state }) => [name, state]);

describe("a token", () => {
  it("is good for its right until it is revoked", async () => {
    expect(await create("ops", { right: "control" })).toBe("created");
    expect(await check("ops")).toEqual({ name: "ops", right: "control" });
    expect(await check("other")).toBeNull();
    expect(await run(sql, "revokeToken", { name: "ops" })).toEqual({ isRevoked: true, known: [] });
    expect(await check("ops")).toBeNull();
    expect(await states()).toEqual([["ops", "revoked"]]);
  });

  it("ends by itself when its time is over", async () => {
    await create("ops", { lifetimeMs: 86_400_000 });
    expect(await check("ops")).not.toBeNull();
    const [row] = await run(sql, "listTokens", null);
    expect((row?.expiresAt ?? 0) - (row?.createdAt ?? 0)).toBe(86_400_000);
    await sql`update access_token set expires_at = now()`;
    expect(await check("ops")).toBeNull();
    expect(await states()).toEqual([["ops", "expired"]]);
    expect(await run(sql, "revokeToken", { name: "ops" })).toEqual({ isRevoked: false, known: [] });
  });

  it("that is asked for twice is one; another of its name is refused, until it has ended", async () => {
    expect(await create("ops")).toBe("created");
    expect(await create("ops")).toBe("created");
    expect(await create("ops", { sha256: hash("other") })).toBe("taken");
    expect(await run(sql, "listTokens", null)).toHaveLength(1);
    await run(sql, "revokeToken", { name: "ops" });
    expect(await create("ops", { sha256: hash("second") })).toBe("created");
    await sql`update access_token set expires_at = now() where revoked_at is null`;
    expect(await create("ops", { sha256: hash("third") })).toBe("created");
    expect(await states()).toEqual([
      ["ops", "valid"],
      ["ops", "expired"],
      ["ops", "revoked"],
    ]);
    expect(await check("second")).toBeNull();
    expect(await check("third")).not.toBeNull();
  });

  it("was used last at the minute, and is written no more often", async () => {
    await create("ops");
    await check("ops");
    const used = async () => (await run(sql, "listTokens", null))[0]?.usedAt;
    expect((await used()) ?? 1).toBe(Math.floor(((await used()) ?? 0) / 60_000) * 60_000);
    await sql`update access_token set used_at = used_at - interval '1 hour'`;
    const before = (await used()) ?? 0;
    await check("ops");
    expect((await used()) ?? 0).toBeGreaterThan(before);
    await sql`update access_token set used_at = now() + interval '1 minute'`;
    const after = await sql`select xmin::text from access_token`;
    await check("ops");
    expect(await sql`select xmin::text from access_token`).toEqual(after);
  });
});

it("whoever revokes what is not there is told what is", async () => {
  await create("alice");
  await create("bob");
  await create("carol");
  await run(sql, "revokeToken", { name: "carol" });
  expect(await run(sql, "revokeToken", { name: "carol" })).toEqual({
    isRevoked: false,
    known: ["alice", "bob"],
  });
});

it("there are at most so many, also by two who make them at once, and ended ones do not pile up", async () => {
  await sql`
    insert into access_token (name, may, sha256)
    select 'token-' || n, 'watch', encode(sha256(n::text::bytea), 'hex')
    from generate_series(1, ${MOST_TOKENS - 1}) n`;
  const outcomes = await Promise.all([create("a"), create("b")]);
  expect(outcomes.sort()).toEqual(["created", "full"]);
  await run(sql, "revokeToken", { name: "token-1" });
  expect(await create("c")).toBe("created");
  await sql`update access_token set revoked_at = now()`;
  await sql`
    insert into access_token (name, may, sha256, revoked_at)
    select 'old-' || n, 'watch', encode(sha256(('old' || n)::bytea), 'hex'),
      now() - case when n <= 10 then interval '2 years' else interval '1 day' end
    from generate_series(1, 6000) n`;
  expect(await create("d")).toBe("created");
  const [rows] = await sql`
    select count(*)::int as n, count(*) filter (where revoked_at < now() - interval '1 year')::int as old
    from access_token`;
  expect(rows).toEqual({ n: 4_001, old: 0 });
  expect(await states()).toHaveLength(4_001);
});

it("is not to be had from the database: a reader sees nothing that would let it in", async () => {
  await create("ops");
  const columns = await sql<{ value: string }[]>`
    select coalesce(e.value, '') as value from access_token t cross join lateral jsonb_each_text(to_jsonb(t)) e`;
  const texts = columns.map(({ value }) => value);
  expect(texts).toContain(hash("ops"));
  expect(texts.filter((value) => value.startsWith("piw_"))).toEqual([]);
});

it.each([
  ["no hash", { sha256: "0".repeat(63) }],
  ["a hash in capitals", { sha256: "A".repeat(64) }],
  ["a name with a blank", { name: "two words" }],
  ["an empty name", { name: "" }],
  ["another right", { right: "root" as "watch" }],
])("%s is refused", async (_what, more) => {
  await expect(create("ops", more)).rejects.toThrow();
});
