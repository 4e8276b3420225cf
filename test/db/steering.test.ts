/** What a person does with slaves, as the database keeps it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
import type { SlavesAsked, Steering } from "../../protocol/model/steering.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import {
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

const tokenOf = async (slave: TestSlave, holding: number[] = []) =>
  (await lease(sql, slave, holding))?.order.token ?? 0;
const nameOf = async (slave: TestSlave) => (await lease(sql, slave))?.order.package;
const skip = ({ slaveId }: TestSlave, token: number) =>
  run(sql, "releaseLeases", { slaveId, tokens: [token], isPassed: true, retry });
const steer = async (slaves: SlavesAsked, action: Steering) =>
  (await run(sql, "steerSlaves", { slaves, action, why: "why" })).map(({ label }) => label);

describe("a build that a person has a slave skip", () => {
  it("goes to others first, costs no attempt, and comes back to its machine later", async () => {
    const one = await hello(sql, "one", [target(11)]);
    const other = await hello(sql, "other", [target(11)]);
    for (const name of ["a", "b"]) await recordProject(sql, name, [release("1.0")]);
    const first = await lease(sql, one);
    expect(await skip(one, first?.order.token ?? 0)).toBe(1);
    expect(await sql`select 1 from retry`).toHaveLength(0);
    expect(await queue(sql)).toEqual([
      "1.0 cp311-linux_x86_64 ready",
      "1.0 cp311-linux_x86_64 ready",
    ]);
    const second = await lease(sql, one);
    expect(second?.order.package).not.toBe(first?.order.package);
    // The next pick of others begins above it.
    expect(second?.place).toBeNull();
    expect(await nameOf(other)).toBe(first?.order.package);
    const { is, mustBe } = await compared(sql);
    expect(is).toEqual(mustBe);
  });

  it("comes back to the only slave that there is when some time has passed", async () => {
    const one = await hello(sql, "one", [target(11)]);
    await recordProject(sql, "a", [release("1.0")]);
    await skip(one, await tokenOf(one));
    expect(await lease(sql, one)).toBeNull();
    await sql`update build set passed_at = passed_at - interval '10 minutes'`;
    expect(await nameOf(one)).toBe("a");
  });

  it("is not given to another job of the same process, and to another process with that key it is", async () => {
    const first = await hello(sql, "key", [target(11)], { slot: "folder#1" });
    const second = await hello(sql, "key", [target(11)], { slot: "folder#2" });
    const elsewhere = await hello(sql, "key", [target(11)], { slot: "folder2" });
    await recordProject(sql, "a", [release("1.0")]);
    await skip(first, await tokenOf(first));
    expect(await lease(sql, second)).toBeNull();
    expect(await nameOf(elsewhere)).toBe("a");
  });

  it("is dropped by a slave that did not hear of it, and counts where it was finished already", async () => {
    const one = await hello(sql, "one", [target(11)]);
    await recordProject(sql, "a", [release("1.0")]);
    const token = await tokenOf(one);
    await skip(one, token);
    expect((await hello(sql, "one", [target(11)], { running: [token] })).drop).toEqual([token]);
    expect((await hello(sql, "one", [target(11)], { finished: [token] })).drop).toEqual([]);
    const settled = await settle(sql, one, token, {}, [wheel("1.0", "py3-none-any")]);
    expect(settled.outcome).toBe("published");
  });

  it("is marked also where its lease has run out, or is another's by now", async () => {
    const one = await hello(sql, "one", [target(11)]);
    const other = await hello(sql, "other", [target(11)]);
    await recordProject(sql, "a", [release("1.0")]);
    const token = await tokenOf(one);
    await sql`delete from lease`;
    await sql`update work set state = 'ready'`;
    const theirs = await tokenOf(other);
    expect(await skip(one, token)).toBe(0);
    expect(await skip(one, theirs)).toBe(0);
    expect(
      await sql`select token from build where passed_at is not null order by token`,
    ).toMatchObject([{ token }]);
    const renewals = [{ token: theirs, slaveId: other.slaveId }];
    expect(await run(sql, "renewLeases", { renewals, leaseMs })).toEqual({ lost: [] });
  });
});

describe.each(["out-of-memory", "out-of-disk"] as const)(
  "a build that a slave has run %s with",
  (cause) => {
    const due = async () => {
      await sql`update work set not_before = now() where state = 'waiting'`;
      await run(sql, "sweepQueue", { retry, absentMs: 3_600_000 });
    };

    it("is for another machine first, whose limits may be larger", async () => {
      const small = await hello(sql, "small", [target(11)], { slot: "folder#1" });
      const itsOther = await hello(sql, "small", [target(11)], { slot: "folder#2" });
      const large = await hello(sql, "large", [target(11)]);
      await recordProject(sql, "a", [release("1.0")]);
      const settled = await settle(sql, small, await tokenOf(small), { cause });
      expect(settled.outcome).toBe("again");
      await due();
      expect(await lease(sql, small)).toBeNull();
      expect(await lease(sql, itsOther)).toBeNull();
      expect(await nameOf(large)).toBe("a");
    });

    it("comes back to the only one that there is, and fails with that cause in the end", async () => {
      const one = await hello(sql, "one", [target(11)]);
      await recordProject(sql, "a", [release("1.0")]);
      for (let attempt = 1; attempt <= retry.maxAttempts; attempt += 1) {
        await due();
        await sql`update build set passed_at = passed_at - interval '10 minutes'`;
        const { outcome } = await settle(sql, one, await tokenOf(one), { cause });
        expect(outcome).toBe(attempt < retry.maxAttempts ? "again" : "failed");
      }
      expect(await sql`select cause from build where stands`).toEqual([{ cause }]);
      expect(await queue(sql)).toEqual([]);
    });
  },
);

describe("who is meant", () => {
  it("is told by label, by pattern, by number; a job's own label means that one", async () => {
    const slots = ["f#1", "f#2"];
    for (const [at, slot] of slots.entries())
      await hello(sql, "k1", [target(11)], { slot, label: `cellar#${at + 1}` });
    await hello(sql, "k2", [target(11)], { label: "cellar-west" });
    const odd = await hello(sql, "k3", [target(11)], { label: "100%_x" });
    expect(await steer({ label: "cellar" }, "sleep")).toEqual(["cellar#1", "cellar#2"]);
    expect(await steer({ label: "cellar#2" }, "wake")).toEqual(["cellar#2"]);
    expect(await steer({ label: "cellar*" }, "skip")).toHaveLength(3);
    expect(await steer({ label: "100%_x" }, "skip")).toEqual(["100%_x"]);
    expect(await steer({ label: "%" }, "skip")).toEqual([]);
    expect(await steer({ id: odd.slaveId }, "skip")).toEqual(["100%_x"]);
    expect(await steer({ id: 999_999 }, "wake")).toEqual([]);
    // Who kills one job kills the process.
    expect(await steer({ label: "cellar#2" }, "kill")).toEqual(["cellar#1", "cellar#2"]);
    const asleep = await run(sql, "sleepingSlaves", null);
    expect(asleep.map(({ label }) => label)).toEqual(["cellar#1"]);
  });

  it("is no machine that only imports, and nobody who has not been seen for long", async () => {
    await hello(sql, "here", [target(11)]);
    await hello(sql, "gone", [target(11)]);
    await sql`
      insert into slave (identity, slot, label, product_version, hostname, os, board)
      values ('import:desk', '', 'imported from desk', '1', 'desk', '', '')`;
    await sql`update slave set last_seen_at = now() - interval '31 days' where label = 'gone'`;
    const listed = await run(sql, "listSlaves", null);
    expect(listed.map(({ label }) => label)).toEqual(["here"]);
    expect(await steer({ label: "*" }, "sleep")).toEqual(["here"]);
    // Named, it is meant, and listed from then on.
    expect(await steer({ label: "gone" }, "sleep")).toEqual(["gone"]);
    expect(await run(sql, "listSlaves", null)).toHaveLength(2);
  });

  it("is listed with the build in hand", async () => {
    const one = await hello(sql, "one", [target(11), target(12)]);
    await recordProject(sql, "a", [release("1.0")]);
    const token = await tokenOf(one);
    const [row] = await run(sql, "listSlaves", null);
    expect(row).toMatchObject({
      id: one.slaveId,
      label: "one",
      targets: ["cp311-linux_x86_64", "cp312-linux_x86_64"],
      asleep: null,
      build: { token, package: "a", version: "1.0", target: "cp311-linux_x86_64" },
    });
  });

  it("is, of more than can be told at once, those that were seen lately", async () => {
    await sql`
      insert into slave (identity, slot, label, product_version, hostname, os, board, last_seen_at)
      select 'crowd', 'f' || n, 'crowd-' || n, '1', 'h', '', '', now() - n * interval '1 minute'
      from generate_series(1, 10010) n order by n desc`;
    const { targetIds } = await hello(sql, "here", [target(11)]);
    await sql`
      insert into slave_target (slave_id, target_id)
      select id, ${targetIds[0] ?? 0}::int from slave where identity = 'crowd'`;
    const told = await steer({ label: "*" }, "sleep");
    expect(told).toHaveLength(10_000);
    expect(told).toContain("here");
    expect(told).toContain("crowd-1");
    expect(told).not.toContain("crowd-10010");
  });
});
