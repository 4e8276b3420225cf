/** What a build tells beside its files: what it was built with, what is odd, that it was put off. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
  emptyTables,
  hash,
  hello,
  lease,
  recordProject,
  release,
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
beforeEach(() => emptyTables(sql));

async function take() {
  const slave = await hello(sql, "a", [target(11)]);
  await recordProject(sql, "pkg", [release("1.0")]);
  const picked = await lease(sql, slave);
  if (picked === null) throw new Error("nothing to lease");
  return { slave, token: picked.order.token };
}

it("keeps what was installed to build, and why a wheel is suspicious, for the project's page", async () => {
  const { slave, token } = await take();
  const resolved = [{ name: "setuptools", version: "80.9.0", sha256: hash("setuptools") }];
  const file = { ...wheel("1.0", "cp311-cp311-linux_x86_64"), suspicious: "no machine code" };
  await settle(sql, slave, token, { resolved }, [file]);
  const [row] = await sql<{ resolved: unknown }[]>`
    select resolved from build where token = ${token}`;
  expect(row?.resolved).toEqual(resolved);
  await sql`update file set placed_at = now()`;
  const [[shown] = []] = await run(sql, "projectReleases", {
    stretches: [{ name: "pkg", from: 0, limit: 10 }],
  });
  expect(shown?.files).toMatchObject([{ suspicious: "no machine code" }]);
  expect(shown?.builds).toMatchObject([{ state: "built", resolved }]);
  const [page] = await run(sql, "projectPages", { names: ["pkg"] });
  expect(page?.chosen?.builtWith).toEqual(resolved);
});

it("offers a build that was put off again after the time that was asked for, however often", async () => {
  const { slave, token } = await take();
  let last = token;
  for (let time = 0; time < 5; time += 1) {
    const settled = await settle(sql, slave, last, {
      cause: "deferred",
      message: "later",
      retryAfterMs: 3_600_000,
    });
    expect(settled.outcome).toBe("again");
    const [retry] = await sql<{ attempts: number; minutes: number }[]>`
      select attempts, round(extract(epoch from not_before - now()) / 60)::int as minutes from retry`;
    expect(retry).toEqual({ attempts: 0, minutes: 60 });
    expect(await lease(sql, slave)).toBeNull();
    await sql`update retry set not_before = now()`;
    await sql`update work set state = 'ready' where state = 'waiting'`;
    const again = await lease(sql, slave);
    last = again?.order.token ?? 0;
  }
});

it("waits longer each time for a runner that names no time", async () => {
  const { slave, token } = await take();
  const seconds: number[] = [];
  let last = token;
  for (let time = 0; time < 3; time += 1) {
    await settle(sql, slave, last, { cause: "deferred" });
    const [retry] = await sql<{ s: number }[]>`
      select round(extract(epoch from not_before - now()))::int as s from retry`;
    seconds.push(retry?.s ?? -1);
    await sql`update work set state = 'ready' where state = 'waiting'`;
    await sql`update retry set not_before = now()`;
    last = (await lease(sql, slave))?.order.token ?? 0;
  }
  expect(seconds).toEqual([1, 2, 4]);
});
