/** Slaves that fail whatever they are given, and builds that take their slaves down. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
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
  await run(sql, "configureFarm", { follow: "all", order: "newest", upstreamWheels: "ignore" });
});

async function recordMany(count: number, from = 0): Promise<void> {
  for (let at = from; at < from + count; at += 1)
    await recordProject(sql, `pkg${at}`, [release("1.0")]);
}

/** Takes the next build and ends it. Returns the outcome, or undefined where there was no build. */
async function work(slave: TestSlave, isGood: boolean): Promise<string | undefined> {
  const picked = await lease(sql, slave);
  if (picked === null) return undefined;
  const { token, package: name } = picked.order;
  const file = { ...wheel("1.0", "py3-none-any"), filename: `${name}-1.0-py3-none-any.whl` };
  const settled = await (isGood
    ? settle(sql, slave, token, {}, [file])
    : settle(sql, slave, token, { cause: "build-failed" }));
  return settled.outcome;
}

const sleeping = async () => (await run(sql, "sleepingSlaves", null)).map(({ label }) => label);
async function dueNow(): Promise<void> {
  await sql`update slave set trial_not_before = '-infinity'`;
}

const steer = (label: string, action: "sleep" | "wake") =>
  run(sql, "steerSlaves", { slaves: { label }, action, why: "by a person" });

async function expectDefinition(): Promise<void> {
  const { is, mustBe } = await compared(sql);
  expect(is).toEqual(mustBe);
}

/** Two slaves of one target: eight builds made by the good one, five failed by the bad one. */
async function blackHole(): Promise<{ good: TestSlave; bad: TestSlave }> {
  const good = await hello(sql, "good", [target(11)]);
  const bad = await hello(sql, "bad", [target(11)]);
  await recordMany(20);
  for (let at = 0; at < 8; at += 1) await work(good, true);
  for (let at = 0; at < 5; at += 1) await work(bad, false);
  return { good, bad };
}

describe("a black-hole slave", () => {
  it("is put to sleep when its peers do not fail, and what it failed goes back on the queue", async () => {
    const { bad, good } = await blackHole();
    expect(await sleeping()).toEqual(["bad"]);
    expect(await queue(sql)).toHaveLength(12);
    await expectDefinition();
    for (let at = 0; at < 12; at += 1) expect(await work(good, true)).toBe("published");
    expect(await work(good, true)).toBeUndefined();
    expect(bad.slaveId).not.toBe(good.slaveId);
  });

  it("gets builds that its peers have made until one succeeds, and these publish nothing", async () => {
    const { bad } = await blackHole();
    const files = await sql<{ filename: string }[]>`select filename from file order by filename`;
    await dueNow();
    const trial = await lease(sql, bad);
    expect(trial?.place).toBeNull();
    expect(files.map((file) => file.filename)).toContain(
      `${trial?.order.package}-1.0-py3-none-any.whl`,
    );
    const token = trial?.order.token ?? 0;
    // Asked again, heard of, and said in HELLO: it is the slave's until it ends.
    expect((await lease(sql, bad))?.order.token).toBe(token);
    const renewals = [{ token, slaveId: bad.slaveId }];
    expect(await run(sql, "renewLeases", { renewals, leaseMs })).toEqual({ lost: [] });
    expect((await hello(sql, "bad", [target(11)], { running: [token] })).drop).toEqual([]);
    await expectDefinition();
    const failed = await settle(sql, bad, token, { cause: "build-failed" });
    expect(failed.outcome).toBe("trial");
    expect(await sleeping()).toEqual(["bad"]);
    // The next trial is not due yet, and the queue is not for it.
    expect(await lease(sql, bad)).toBeNull();
    await dueNow();
    expect(await work(bad, true)).toBe("trial");
    expect(await sleeping()).toEqual([]);
    expect(await sql`select filename from file order by filename`).toEqual(files);
    await expectDefinition();
    expect(await work(bad, true)).toBe("published");
  });

  it("is left alone where its peers fail as well, where it has none, and where it fails one package only", async () => {
    const slaves = [await hello(sql, "a", [target(11)]), await hello(sql, "b", [target(11)])];
    await recordMany(30);
    for (let at = 0; at < 24; at += 1) {
      const slave = slaves[at % 2];
      if (slave !== undefined) await work(slave, false);
    }
    expect(await sleeping()).toEqual([]);
    await emptyTables(sql);
    const alone = await hello(sql, "alone", [target(11)]);
    await recordMany(20);
    for (let at = 0; at < 15; at += 1) await work(alone, false);
    expect(await sleeping()).toEqual([]);
    await emptyTables(sql);
    const good = await hello(sql, "good", [target(11)]);
    const bad = await hello(sql, "bad", [target(11)]);
    await recordMany(8);
    for (let at = 0; at < 8; at += 1) await work(good, true);
    const versions = Array.from({ length: 9 }, (_, at) => release(`${at + 1}.0`));
    await recordProject(sql, "pkg", versions);
    for (let at = 0; at < 9; at += 1) await work(bad, false);
    expect(await sleeping()).toEqual([]);
  });

  it("is also one whose disk is full: builds that it would use up are tried by others at once", async () => {
    const good = await hello(sql, "good", [target(11)]);
    const bad = await hello(sql, "bad", [target(11)]);
    await recordMany(20);
    for (let at = 0; at < 8; at += 1) await work(good, true);
    for (let at = 0; at < 5; at += 1) {
      const picked = await lease(sql, bad);
      await settle(sql, bad, picked?.order.token ?? 0, { cause: "out-of-disk" });
    }
    expect(await sleeping()).toEqual(["bad"]);
    expect(new Set((await queue(sql)).map((line) => line.split(" ")[2]))).toEqual(
      new Set(["ready"]),
    );
    await expectDefinition();
  });

  it("is woken by a person, and judged by what it does from then on", async () => {
    const { bad } = await blackHole();
    await steer("bad", "wake");
    expect(await sleeping()).toEqual([]);
    for (let at = 0; at < 4; at += 1) await work(bad, false);
    expect(await sleeping()).toEqual([]);
    await work(bad, false);
    expect(await sleeping()).toEqual(["bad"]);
  });
});

describe("a slave that a person has put to sleep", () => {
  it("gets nothing at all, a trial of before does not wake it, and a person does", async () => {
    const { bad } = await blackHole();
    await dueNow();
    const trial = await lease(sql, bad);
    expect(await steer("bad", "sleep")).toMatchObject([{ asleepBy: "farm" }]);
    await settle(sql, bad, trial?.order.token ?? 0, {}, []);
    await dueNow();
    expect(await lease(sql, bad)).toBeNull();
    expect(await run(sql, "sleepingSlaves", null)).toMatchObject([
      { label: "bad", by: "person", why: "by a person" },
    ]);
    expect((await hello(sql, "bad", [target(11)])).asleep).toBe("by a person");
    expect(await steer("bad", "wake")).toMatchObject([{ asleepBy: "person" }]);
    expect((await hello(sql, "bad", [target(11)])).asleep).toBeNull();
    expect(await work(bad, true)).toBe("published");
    await expectDefinition();
  });

  it("ends what it has in hand, and what it was given is given to it again", async () => {
    const slave = await hello(sql, "one", [target(11)]);
    await recordMany(2);
    const token = (await lease(sql, slave))?.order.token ?? 0;
    await steer("one", "sleep");
    expect((await lease(sql, slave))?.order.token).toBe(token);
    expect((await settle(sql, slave, token, {}, [wheel("1.0", "py3-none-any")])).outcome).toBe(
      "published",
    );
    expect(await lease(sql, slave)).toBeNull();
  });
});

describe("a poison build", () => {
  it("fails when three different slaves were lost with it, and a late result still counts", async () => {
    const slaves = [];
    for (const name of ["a", "b", "c"]) slaves.push(await hello(sql, name, [target(11)]));
    await recordProject(sql, "pkg", [release("1.0")]);
    const tokens: number[] = [];
    for (const slave of slaves) {
      await sql`update retry set not_before = now()`;
      await sql`update work set not_before = now() where state = 'waiting'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
      tokens.push((await lease(sql, slave))?.order.token ?? 0);
      await sql`update lease set expires_at = now() - interval '1 second'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
    }
    expect(await queue(sql)).toEqual([]);
    const [row] = await sql`select cause, outcome, message from build where stands`;
    expect(row).toEqual({
      cause: "poison",
      outcome: "failed",
      message: "the slaves that had it were lost: a, b, c",
    });
    await expectDefinition();
    const last = slaves[2];
    if (last === undefined) throw new Error("there are three");
    const settled = await settle(sql, last, tokens[2] ?? 0, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
  });

  it("counts no longer when one of those slaves brings a good wheel after all", async () => {
    const slaves = [];
    for (const name of ["a", "b", "c"]) slaves.push(await hello(sql, name, [target(11)]));
    await recordProject(sql, "pkg", [release("1.0")]);
    const tokens: number[] = [];
    for (const slave of slaves) {
      await sql`update retry set not_before = now()`;
      await sql`update work set not_before = now() where state = 'waiting'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
      tokens.push((await lease(sql, slave))?.order.token ?? 0);
      await sql`update lease set expires_at = now() - interval '1 second'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
    }
    expect(await sql`select from build where stands and cause = 'poison'`).toHaveLength(1);
    const [first] = slaves;
    if (first === undefined) throw new Error("there are three");
    const settled = await settle(sql, first, tokens[0] ?? 0, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
    expect(await sql`select cause from build where stands`).toEqual([{ cause: "built" }]);
    await expectDefinition();
  });

  it("is not one that the jobs of one process have lost, who go down together", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    for (const slot of ["folder#1", "folder#2", "folder#3", "folder#4"]) {
      const slave = await hello(sql, "a", [target(11)], { slot });
      await sql`update retry set not_before = now()`;
      await sql`update work set not_before = now() where state = 'waiting'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
      await lease(sql, slave);
      await sql`update lease set expires_at = now() - interval '1 second'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
    }
    expect(await sql`select 1 from build where cause = 'slave-lost'`).toHaveLength(4);
    expect(await sql`select 1 from build where cause = 'poison'`).toHaveLength(0);
  });

  it("is not one that the same slave has lost each time", async () => {
    await recordProject(sql, "pkg", [release("1.0")]);
    for (let at = 0; at < 4; at += 1) {
      const slave = await hello(sql, "a", [target(11)]);
      await sql`update retry set not_before = now()`;
      await sql`update work set not_before = now() where state = 'waiting'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
      await lease(sql, slave);
      await sql`update lease set expires_at = now() - interval '1 second'`;
      await run(sql, "sweepQueue", { retry: { ...retry, maxAttempts: 99 }, absentMs });
    }
    expect(await sql`select 1 from build where cause = 'poison'`).toHaveLength(0);
    expect(await queue(sql)).toEqual(["1.0 cp311-linux_x86_64 waiting"]);
  });
});
